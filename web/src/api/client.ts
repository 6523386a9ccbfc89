/**
 * The console's side of the API: ask, command, and understand what went wrong.
 *
 * Every trouble is a `Trouble` with a title and a detail that a person can act on. Writes carry the session's
 * `X-CSRF` word and an idempotency key, so that pressing twice acts once.
 */
import { heard } from '../lib/clock.svelte.ts';
import { inside } from '../lib/space.ts';
import { speaking, t } from '../i18n/words.svelte.ts';
import type { ProblemBody } from './shapes.ts';

export const BASE = '/api/v1';

export class Trouble extends Error {
  readonly status: number;
  readonly key: string;
  readonly title: string;
  readonly params: Record<string, unknown>;
  readonly where: string | null;

  constructor(problem: {
    status: number;
    key: string;
    title: string;
    detail: string;
    params?: Record<string, unknown>;
    where?: string | null;
  }) {
    super(problem.detail || problem.title);
    this.status = problem.status;
    this.key = problem.key;
    this.title = problem.title;
    this.params = problem.params ?? {};
    this.where = problem.where ?? null;
  }

  /** Whether asking again later may help. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 502;
  }
}

let csrf = '';
let signedOut: () => void = () => {};

/** The word that every write must carry; the session tells it. */
export function carry(word: string) {
  csrf = word;
}

/** What to do when the server says that nobody is signed in. */
export function onSignedOut(act: () => void) {
  signedOut = act;
}

export type Query = Record<string, string | number | boolean | null | undefined>;

/** The full address of a question; also for links that download. */
export function address(path: string, query: Query = {}): string {
  const full = inside(path.startsWith('/api/') || path.startsWith('/ngsi-ld/') ? path : BASE + path);
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value != null && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return text ? full + (full.includes('?') ? '&' : '?') + text : full;
}

async function ask<T>(
  method: string,
  path: string,
  init: RequestInit & { query?: Query; quiet?: boolean },
): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(address(path, { ...init.query, lang: init.query?.lang ?? speaking.language }), {
      ...init,
      method,
      credentials: 'same-origin',
      headers: { Accept: 'application/json', 'Accept-Language': speaking.language, ...init.headers },
    });
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    throw new Trouble({
      status: 0,
      key: 'web.problem.network',
      title: t('web.problem.network'),
      detail: t('web.problem.network_detail'),
    });
  }
  // In an exercise the server says what time it is there.
  const date = answer.headers.get('X-Datlanh-At') ?? answer.headers.get('Date');
  if (date) heard(Date.parse(date), true);
  if (answer.status === 204) return undefined as T;
  const body = await understood(answer);
  if (answer.ok) return body as T;
  const problem = (body ?? {}) as Partial<ProblemBody>;
  if (answer.status === 401 && !init.quiet) signedOut();
  throw new Trouble({
    status: answer.status,
    key: problem.key ?? `web.problem.${answer.status}`,
    title: problem.title ?? t('web.problem.server'),
    detail: problem.detail ?? t('web.problem.server_detail', { status: answer.status }),
    params: problem.params ?? {},
    where: problem.where ?? null,
  });
}

async function understood(answer: Response): Promise<unknown> {
  const type = answer.headers.get('Content-Type') ?? '';
  if (!type.includes('json')) return answer.ok ? await answer.text() : null;
  try {
    return await answer.json();
  } catch {
    return null;
  }
}

/** Ask; `quiet` lets a 401 be an answer instead of sending the person to the sign-in page. */
export function get<T>(
  path: string,
  query: Query = {},
  options: { signal?: AbortSignal; quiet?: boolean } = {},
) {
  return ask<T>('GET', path, { query, ...options });
}

/** A key that makes a repeated command the same command. */
export function newKey(): string {
  return crypto.randomUUID?.() ?? `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
}

/** Command; the same `key` sent twice acts once. */
export function send<T>(
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  options: { key?: string; signal?: AbortSignal; quiet?: boolean } = {},
) {
  const form = body instanceof FormData;
  return ask<T>(method, path, {
    ...options,
    ...(body === undefined ? {} : { body: form ? body : JSON.stringify(body) }),
    headers: {
      'X-CSRF': csrf,
      'Idempotency-Key': options.key ?? newKey(),
      ...(body === undefined || form ? {} : { 'Content-Type': 'application/json' }),
    },
  });
}

export function post<T>(path: string, body?: unknown, options: Parameters<typeof send>[3] = {}) {
  return send<T>('POST', path, body ?? {}, options);
}
