/** Web push: ask the browser for an address at which it can be told, under our key. */

// A place of its own: the worker that keeps the field page works for the rest.
const WORKER = '/push.js';
const SCOPE = '/push/';

export interface Subscribed {
  address: string;
  keys: Record<string, string>;
}

/** The bytes of a key as browsers want them. */
export function keyOf(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = new Uint8Array(new ArrayBuffer(plain.length));
  for (let at = 0; at < plain.length; at += 1) bytes[at] = plain.charCodeAt(at);
  return bytes;
}

/** Subscribe this browser; null when it cannot or may not. */
export async function subscribe(vapid: string): Promise<Subscribed | null> {
  if (!vapid || !('serviceWorker' in navigator) || !('PushManager' in window)) return null;
  try {
    if ((await Notification.requestPermission()) !== 'granted') return null;
    const worker = await active(await navigator.serviceWorker.register(WORKER, { scope: SCOPE }));
    const made = await worker.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: keyOf(vapid),
    });
    const said = made.toJSON();
    return { address: made.endpoint, keys: { ...said.keys } };
  } catch {
    return null;
  }
}

/** A registration whose worker is at work; only such a one can be told anything. */
async function active(worker: ServiceWorkerRegistration): Promise<ServiceWorkerRegistration> {
  const coming = worker.installing ?? worker.waiting;
  if (!worker.active && coming) {
    await new Promise<void>((done) => {
      coming.addEventListener('statechange', () => {
        if (coming.state === 'activated' || coming.state === 'redundant') done();
      });
    });
  }
  return worker;
}
