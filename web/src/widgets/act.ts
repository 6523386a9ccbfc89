/** A command that a person gave: what goes wrong is told in words, and the screen goes on. */
import { Trouble } from '../api/client.ts';
import { complain } from '../ui/toast.svelte.ts';

/** Do it; null when it could not be done, which has been said then. */
export async function attempt<T>(command: () => Promise<T>): Promise<T | null> {
  try {
    return await command();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    complain(error);
    return null;
  }
}
