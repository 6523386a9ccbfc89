/**
 * The queue of the field page: what was done without a network, kept in the browser until the server has it.
 *
 * Each item has a key of its own (the server counts it once, however often it is sent) and the time at which it was
 * done. Items of one task are sent in their order. What the server refuses stays, with the reason, until the person
 * tries again or drops it: nothing is lost in silence. Items are the person's who made them; another's wait.
 */
import { SPACE } from '../../lib/space.ts';
import { newKey, send, Trouble } from '../../api/client.ts';
import type { Attachment, TaskDetail } from '../../api/orders.ts';

export interface Item {
  key: string;
  /** Grows with each item; the order in which they were made. */
  order: number;
  me: string;
  task: string;
  code: string;
  /** What it is, for people: `received`, `arrived`, `done`, `note`, `photo`, `check`. */
  what: string;
  /** Under `/tasks/<id>/`. */
  path: string;
  body: Record<string, unknown>;
  /** A picture that must be brought first; its own key, and its id once the server has it. */
  file?: { key: string; blob: Blob; name: string; id?: string } | undefined;
  at: string;
  state: 'waiting' | 'refused';
  problem?: string | undefined;
}

export interface Store {
  all(): Promise<Item[]>;
  put(item: Item): Promise<void>;
  drop(key: string): Promise<void>;
}

const NAME = `datlanh-field${SPACE}`;

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'));
  });
}

let opened: Promise<IDBDatabase> | null = null;

function database(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore('queue', { keyPath: 'key' });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'));
  });
  return opened;
}

async function queue(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  return (await database()).transaction('queue', mode, { durability: 'strict' }).objectStore('queue');
}

/** The queue in IndexedDB; strict: an answer means that it is on the disk. */
export const store: Store = {
  all: async () => {
    const found = (await done((await queue('readonly')).getAll())) as Item[];
    return found.sort((a, b) => a.order - b.order);
  },
  put: async (item) => void (await done((await queue('readwrite')).put(item))),
  drop: async (key) => void (await done((await queue('readwrite')).delete(key))),
};

export type Sender = (item: Item) => Promise<TaskDetail | null>;

/** Send one item: its picture first, then what it is. */
export async function deliver(item: Item, kept: Store): Promise<TaskDetail> {
  let body = item.body;
  if (item.file) {
    if (!item.file.id) {
      const form = new FormData();
      form.append('file', item.file.blob, item.file.name);
      const file = await send<Attachment>('POST', '/attachments', form, { key: item.file.key });
      item.file.id = file.id;
      await kept.put(item);
    }
    body = { ...body, attachment: item.file.id };
  }
  return send<TaskDetail>('POST', `/tasks/${encodeURIComponent(item.task)}/${item.path}`, body, {
    key: item.key,
  });
}

export interface Flushed {
  sent: TaskDetail[];
  refused: number;
  /** Whether something is left that may go through later by itself. */
  left: boolean;
}

/**
 * Send what waits, in order. After a passing trouble (no network, a server that restarts, nobody signed in) it stops
 * and all stays; what is refused for good is marked, and what follows it of the same task waits for the person.
 */
export async function flush(
  me: string,
  kept: Store,
  sender: (item: Item) => Promise<TaskDetail>,
): Promise<Flushed> {
  const sent: TaskDetail[] = [];
  let refused = 0;
  const held = new Set<string>();
  const items = (await kept.all()).filter((item) => item.me === me);
  for (const item of items) {
    if (item.state === 'refused') {
      held.add(item.task);
      continue;
    }
    if (held.has(item.task)) continue;
    try {
      const task = await sender(item);
      await kept.drop(item.key);
      sent.push(task);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      if (error.passing || error.status === 401 || (error.status === 403 && error.key === 'http.csrf'))
        return { sent, refused, left: true };
      // Somebody works on the very same key just now: a moment later it will be known.
      if (error.key === 'share.command_in_progress') return { sent, refused, left: true };
      item.state = 'refused';
      item.problem = error.message;
      await kept.put(item);
      held.add(item.task);
      refused += 1;
    }
  }
  return { sent, refused, left: false };
}

let last = 0;

/** A new item of the queue. */
export function made(
  me: string,
  task: { id: string; code: string },
  what: string,
  path: string,
  body: Record<string, unknown>,
  file?: { blob: Blob; name: string },
): Item {
  last = Math.max(last + 1, Date.now());
  return {
    key: newKey(),
    order: last,
    me,
    task: task.id,
    code: task.code,
    what,
    path,
    body,
    ...(file ? { file: { key: newKey(), ...file } } : {}),
    at: typeof body.at === 'string' ? body.at : new Date(last).toISOString(),
    state: 'waiting',
  };
}

/** The task as it looks once what waits has been sent: what the person did is seen at once. */
export function assumed(task: TaskDetail, items: readonly Item[]): TaskDetail {
  let found = task;
  for (const item of items) {
    if (item.task !== task.row.id || item.state === 'refused') continue;
    const row = { ...found.row };
    if (item.what === 'received' || item.what === 'arrived' || item.what === 'done') {
      row.state = item.what;
      row.can = CAN[item.what] ?? row.can;
    }
    if (item.what === 'check') {
      const one = String(item.body.item);
      const checklist = found.checklist.map((line) =>
        line.id === one ? { ...line, done: item.body.done !== false } : line,
      );
      row.list_done = checklist.filter((line) => line.done).length;
      found = { ...found, checklist };
    }
    if (item.what === 'note' || item.what === 'photo') row.evidence += 1;
    found = { ...found, row };
  }
  return found;
}

const CAN: Record<string, string[]> = {
  received: ['arrive', 'finish', 'prove', 'check'],
  arrived: ['finish', 'prove', 'check'],
  done: [],
};
