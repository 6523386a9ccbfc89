/**
 * The live feed: one stream a browser, however many tabs are open.
 *
 * The tab that holds the Web Lock reads `/api/v1/live` and relays to the others by BroadcastChannel; when it
 * closes, the next tab takes over from the last position relayed. Each tab knows by itself whether it still
 * hears the server: silence for `SILENT_AFTER` is told to the person, and the screen loses its colour.
 */
import { address } from '../api/client.ts';
import { remember } from '../api/session.svelte.ts';
import { SPACE } from '../lib/space.ts';
import { serverTime } from '../lib/clock.svelte.ts';
import { speaking } from '../i18n/words.svelte.ts';
import { reader } from './events.ts';

export interface Message {
  /** The position in the server's log; 0 for messages that are in no log. */
  position: number;
  name: string;
  data: unknown;
}

type Relayed = { kind: 'message'; message: Message } | { kind: 'beat'; position: number } | { kind: 'hello' };

type Listener = { heard: (message: Message) => void; reset: () => void };

/** The server pings every 15 s; after this long without a word, what is on the screen is old. */
export const SILENT_AFTER = 19_000;
const KEPT = 500;

class Live {
  state = $state<'waiting' | 'live' | 'lost'>('waiting');
  /** When we last heard the server, by the server's clock. */
  heardAt = $state(0);
  /** When the connection was lost. */
  lostAt = $state(0);
  /** Whether this tab is the one that holds the stream. */
  leads = $state(false);
}

export const live = new Live();

const listeners = new Set<Listener>();
let recent: Message[] = [];
let position = 0;
let silence: ReturnType<typeof setTimeout> | undefined;
let begun: () => void = () => {};

function heard() {
  live.heardAt = serverTime();
  live.state = 'live';
  clearTimeout(silence);
  silence = setTimeout(lost, SILENT_AFTER);
}

function lost() {
  if (live.state === 'lost') return;
  live.state = 'lost';
  live.lostAt = serverTime();
}

function take(message: Message) {
  if (message.name === 'reset') {
    recent = [];
    position = 0;
    for (const listener of listeners) listener.reset();
    return;
  }
  if (message.position) {
    if (message.position <= position) return; // told already, by the tab that led before
    position = message.position;
  }
  recent.push(message);
  if (recent.length > KEPT) recent = recent.slice(-KEPT / 2);
  for (const listener of listeners) listener.heard(message);
}

/**
 * Follow what happens after a snapshot: messages of the log up to `from` are in the snapshot already, those
 * that came while it was on its way are told now. Returns how to stop.
 */
export function follow(from: number, listener: Listener): () => void {
  if (!position) position = from;
  begun();
  for (const message of recent) if (message.position > from) listener.heard(message);
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Read the stream until it ends; then again, a little later each time. */
async function lead(relay: (what: Relayed) => void, stop: AbortSignal) {
  // The stream goes on from the first snapshot, so that nothing falls between the two.
  if (!position) {
    await Promise.race([
      new Promise<void>((done) => (begun = done)),
      new Promise((done) => setTimeout(done, 3000)),
    ]);
  }
  let wait = 500;
  while (!stop.aborted) {
    try {
      const answer = await fetch(
        address('/live', { since: position || undefined, lang: speaking.language }),
        {
          signal: stop,
          credentials: 'same-origin',
          cache: 'no-store',
          headers: { Accept: 'text/event-stream', 'Accept-Language': speaking.language },
        },
      );
      if (answer.status === 401) await remember();
      if (!answer.ok || !answer.body) throw new Error(String(answer.status));
      const told = reader(
        (event) => {
          let data: unknown;
          try {
            data = JSON.parse(event.data);
          } catch {
            return; // not for us
          }
          const message = { position: Number(event.id) || 0, name: event.name, data };
          relay({ kind: 'message', message });
          take(message);
        },
        () => {
          wait = 500;
          heard();
          relay({ kind: 'beat', position });
        },
      );
      const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await pieces.read();
        if (done) break;
        told(value);
      }
    } catch {
      if (stop.aborted) return;
    }
    await new Promise((done) => setTimeout(done, wait * (0.75 + Math.random() / 2)));
    wait = Math.min(wait * 2, 8_000);
  }
}

/** Begin to listen; returns how to stop. */
export function listen(): () => void {
  const stop = new AbortController();
  const channel = 'BroadcastChannel' in window ? new BroadcastChannel(`datlanh-live${SPACE}`) : null;
  const relay = (what: Relayed) => channel?.postMessage(what);
  if (channel) {
    channel.onmessage = (event: MessageEvent<Relayed>) => {
      const what = event.data;
      if (what.kind === 'hello') {
        if (live.leads && live.state === 'live') relay({ kind: 'beat', position });
      } else {
        heard();
        if (what.kind === 'message') take(what.message);
        else if (what.position > position) position = what.position;
      }
    };
    relay({ kind: 'hello' });
  }
  silence = setTimeout(lost, SILENT_AFTER);
  const gone = () => lost();
  window.addEventListener('offline', gone);
  if (navigator.locks) {
    navigator.locks
      .request(`datlanh-live${SPACE}`, { signal: stop.signal }, async () => {
        live.leads = true;
        await lead(relay, stop.signal);
        live.leads = false;
      })
      .catch(() => {}); // we stopped before it was our turn
  } else {
    void lead(relay, stop.signal);
  }
  return () => {
    stop.abort();
    channel?.close();
    clearTimeout(silence);
    window.removeEventListener('offline', gone);
    live.state = 'waiting';
    live.leads = false;
    recent = [];
    position = 0;
  };
}
