/**
 * The service worker of the field page: what it was told to keep is there without a network.
 *
 * It keeps three things: the shell (`/`), the files that the field page has loaded, and the last answers to who I am
 * and what my tasks are. The network always comes first, but for files whose names carry their hash. It sends nothing
 * by itself and invents no answer: one from the cache says so in `X-Datlanh-Kept`. Signing out empties it.
 */
interface Waiting extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Waiting {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface Telling extends Waiting {
  readonly data: unknown;
}
interface Worker {
  addEventListener(name: 'install' | 'activate', act: (event: Waiting) => void): void;
  addEventListener(name: 'fetch', act: (event: Fetching) => void): void;
  addEventListener(name: 'message', act: (event: Telling) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
  readonly location: Location;
}

const worker = globalThis as unknown as Worker;
const FILES = 'datlanh-files';
const DATA = 'datlanh-data';
const DATA_PATHS = ['/api/v1/session', '/api/v1/tasks/mine'];
const PATIENCE_MS = 8_000;

worker.addEventListener('install', (event) => {
  event.waitUntil(worker.skipWaiting());
});
worker.addEventListener('activate', (event) => {
  event.waitUntil(worker.clients.claim());
});

worker.addEventListener('message', (event) => {
  const told = event.data as { keep?: string[]; forget?: boolean } | null;
  if (told?.forget) event.waitUntil(caches.delete(DATA));
  else if (told?.keep) event.waitUntil(keep(told.keep));
});

/** Keep the shell and these files, and ask for the data once, so that a first visit is enough. */
async function keep(wanted: string[]): Promise<void> {
  const files = await caches.open(FILES);
  const own = wanted.filter((url) => new URL(url, worker.location.href).origin === worker.location.origin);
  await files.add(new Request('/', { cache: 'reload' }));
  const known = new Set((await files.keys()).map((request) => request.url));
  await Promise.all(
    own.filter((url) => !known.has(new URL(url, worker.location.href).href)).map((url) => files.add(url)),
  );
  const data = await caches.open(DATA);
  await Promise.all(
    DATA_PATHS.map(async (path) => {
      if (!(await data.match(path, { ignoreSearch: true }))) await fresh(new Request(path));
    }),
  );
}

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== worker.location.origin) return;
  if (url.pathname === '/api/v1/session' && request.method !== 'GET') {
    // Whoever comes or goes: what the one before could see is not for the next.
    event.waitUntil(caches.delete(DATA));
    return;
  }
  if (request.method !== 'GET') return;
  if (DATA_PATHS.includes(url.pathname)) event.respondWith(freshOrKept(request));
  else if (url.pathname.startsWith('/assets/')) event.respondWith(keptOrFresh(request));
  else if (request.mode === 'navigate' && !url.pathname.startsWith('/api/'))
    event.respondWith(shell(request));
});

async function fresh(request: Request): Promise<Response> {
  const answer = await fetch(request);
  const data = await caches.open(DATA);
  if (answer.status === 200) {
    const path = new URL(request.url, worker.location.href).pathname;
    await data.put(path, await stamped(answer.clone()));
  } else if (answer.status === 401 || answer.status === 403) await caches.delete(DATA);
  return answer;
}

/** The answer with the time at which it was had. */
async function stamped(answer: Response): Promise<Response> {
  const headers = new Headers(answer.headers);
  headers.delete('Content-Encoding');
  headers.set('X-Datlanh-Kept', new Date().toISOString());
  return new Response(await answer.blob(), { status: 200, headers });
}

async function freshOrKept(request: Request): Promise<Response> {
  const kept = await (await caches.open(DATA)).match(new URL(request.url).pathname, { ignoreSearch: true });
  if (!kept) return fresh(request);
  const asked = fresh(request);
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), PATIENCE_MS));
  try {
    const answer = await Promise.race([asked, late]);
    if (answer && answer.status < 500) return answer;
  } catch {
    // No network: what was kept is better than nothing, and says what it is.
  }
  asked.catch(() => undefined);
  const headers = new Headers(kept.headers);
  headers.delete('Date'); // it is not a clock any more
  return new Response(kept.body, { status: 200, headers });
}

async function keptOrFresh(request: Request): Promise<Response> {
  const kept = await (await caches.open(FILES)).match(request);
  return kept ?? fetch(request);
}

async function shell(request: Request): Promise<Response> {
  const files = await caches.open(FILES);
  try {
    const answer = await fetch(request);
    if (answer.ok) return answer;
    if (answer.status < 500) return answer;
  } catch {
    // Offline.
  }
  return (await files.match('/')) ?? Response.error();
}
