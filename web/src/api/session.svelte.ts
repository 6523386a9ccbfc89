/** Who is signed in and what they may do. */
import { carry, get, onSignedOut, post, send, Trouble } from './client.ts';
import type { Session } from './shapes.ts';

class Who {
  session = $state.raw<Session | null>(null);
  /** False until we have asked once. */
  asked = $state(false);
  trouble = $state.raw<Trouble | null>(null);
}

export const who = new Who();

onSignedOut(() => {
  who.session = null;
});

/** Whether the person signed in may do this; the server decides again. */
export function may(permission: string): boolean {
  return who.session?.permissions.includes(permission) ?? false;
}

function welcome(session: Session) {
  carry(session.csrf);
  who.session = session;
}

/** Ask who is signed in. */
export async function remember(): Promise<void> {
  who.trouble = null;
  try {
    const session = await get<Session | undefined>('/session', { if_any: 1 }, { quiet: true });
    if (session) welcome(session);
    else who.session = null;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    who.session = null;
    if (error.status !== 401) who.trouble = error;
  } finally {
    who.asked = true;
  }
}

export async function signIn(name: string, password: string): Promise<void> {
  await post('/session', { name, password }, { quiet: true });
  welcome(await get<Session>('/session', {}, { quiet: true }));
}

export async function signOut(): Promise<void> {
  try {
    await send('DELETE', '/session', undefined, { quiet: true });
  } finally {
    who.session = null;
  }
}
