/**
 * The clock of the console is the server's: the computer in front of the officer may be wrong.
 *
 * Every answer corrects the difference; `now.ms` moves once a second, so that ages and clocks in the page move.
 */

let ahead = 0; // milliseconds that the server is ahead of this computer
let known = false;

class Now {
  ms = $state(Date.now());
}

export const now = new Now();

/** What time it is on the server, as well as we know. */
export function serverTime(): number {
  return Date.now() + ahead;
}

/** Correct the clock by an answer: `at` is the server's time, known to a second when it is from a header. */
export function heard(at: number, coarse = false) {
  if (!Number.isFinite(at)) return;
  const difference = at - Date.now();
  // A header has whole seconds and an answer takes a while: only a real difference moves a known clock.
  if (known && Math.abs(difference - ahead) < (coarse ? 1500 : 400)) return;
  ahead = coarse ? difference + 500 : difference;
  known = true;
  now.ms = serverTime();
}

/** Let the page's clock tick; returns how to stop it. */
export function tick(): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const beat = () => {
    now.ms = serverTime();
    timer = setTimeout(beat, 1000 - (now.ms % 1000));
  };
  beat();
  return () => clearTimeout(timer);
}
