/**
 * A snapshot that stays true: asked once, then kept by the messages told after it.
 *
 * `apply` is a pure function from a state and a message to the next state. It answers `undefined` when it
 * cannot know the next state; then the snapshot is asked again, soon and once for many messages. Renders are
 * gathered: at most one an animation frame.
 */
import { Trouble } from '../api/client.ts';
import { heard as heardTime } from '../lib/clock.svelte.ts';
import { follow, live, type Message } from './live.svelte.ts';

export interface Positioned {
  position: number;
  at?: string;
}

const SOON = 700;

export class Snapshot<T extends Positioned> {
  state = $state.raw<T | null>(null);
  trouble = $state.raw<Trouble | null>(null);
  asking = $state(false);

  #load: (signal: AbortSignal) => Promise<T>;
  #apply: (state: T, message: Message) => T | undefined;
  #unfollow: () => void = () => {};
  #abort: AbortController | null = null;
  #soon: ReturnType<typeof setTimeout> | undefined;
  #next: T | null = null;
  #frame = 0;
  #closed = false;

  constructor(
    load: (signal: AbortSignal) => Promise<T>,
    apply: (state: T, message: Message) => T | undefined,
  ) {
    this.#load = load;
    this.#apply = apply;
  }

  /** Ask for a fresh snapshot and follow from it. What was on the screen stays until the answer is there. */
  async ask(): Promise<void> {
    if (this.#closed) return;
    clearTimeout(this.#soon);
    this.#soon = undefined;
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    this.asking = true;
    try {
      const state = await this.#load(abort.signal);
      if (abort.signal.aborted || this.#closed) return;
      if (state.at) heardTime(Date.parse(state.at));
      this.#unfollow();
      this.#next = null;
      this.state = state;
      this.trouble = null;
      this.#unfollow = follow(state.position, {
        heard: (message) => this.#heard(message),
        reset: () => this.again(),
      });
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof Trouble)) throw error;
      this.trouble = error;
      if (error.passing) this.again(5_000);
    } finally {
      if (!abort.signal.aborted) this.asking = false;
    }
  }

  /** Ask again soon, once for however many reasons. */
  again(within = SOON) {
    this.#soon ??= setTimeout(() => void this.ask(), within);
  }

  /** Change the state at once, before the server's word comes back. */
  assume(change: (state: T) => T) {
    const state = this.#next ?? this.state;
    if (state) this.state = change(state);
    this.#next = null;
  }

  #heard(message: Message) {
    const state = this.#next ?? this.state;
    if (!state) return;
    const next = this.#apply(state, message);
    if (next === undefined) {
      this.again();
      return;
    }
    if (next === state) return;
    this.#next = next;
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#next) this.state = this.#next;
      this.#next = null;
    });
  }

  close() {
    this.#closed = true;
    this.#unfollow();
    this.#abort?.abort();
    clearTimeout(this.#soon);
    cancelAnimationFrame(this.#frame);
  }
}

/** A snapshot for as long as the component lives that calls this; asked anew when `load` depends on what changed. */
export function snapshot<T extends Positioned>(
  load: (signal: AbortSignal) => Promise<T>,
  apply: (state: T, message: Message) => T | undefined,
): Snapshot<T> {
  const kept = new Snapshot(load, apply);
  $effect(() => {
    void kept.ask();
  });
  $effect(() => () => kept.close());
  // A connection that came back may have missed messages that are in no log.
  let wasLost = false;
  $effect(() => {
    if (live.state === 'lost') wasLost = true;
    else if (live.state === 'live' && wasLost) {
      wasLost = false;
      kept.again(0);
    }
  });
  return kept;
}
