/** A question asked again now and then while the page is looked at: for what is not in the live feed. */
import { Trouble } from '../api/client.ts';

const EVERY_MS = 20_000;

export class Asked<T extends { at: string }> {
  state = $state.raw<T | null>(null);
  trouble = $state.raw<Trouble | null>(null);

  #load: (signal: AbortSignal) => Promise<T>;
  #abort: AbortController | null = null;

  constructor(load: (signal: AbortSignal) => Promise<T>) {
    this.#load = load;
  }

  async ask(): Promise<void> {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    try {
      const state = await this.#load(abort.signal);
      if (abort.signal.aborted) return;
      this.state = state;
      this.trouble = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof Trouble)) throw error;
      this.trouble = error;
    }
  }

  close() {
    this.#abort?.abort();
  }
}

/** Asked for as long as the component lives that calls this; anew when `load` depends on what changed. */
export function asked<T extends { at: string }>(load: (signal: AbortSignal) => Promise<T>): Asked<T> {
  const kept = new Asked(load);
  $effect(() => {
    void kept.ask();
  });
  $effect(() => {
    const again = () => {
      if (document.visibilityState === 'visible') void kept.ask();
    };
    const timer = setInterval(again, EVERY_MS);
    document.addEventListener('visibilitychange', again);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', again);
      kept.close();
    };
  });
  return kept;
}
