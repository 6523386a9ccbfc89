/** The slider of a replay: where it stands, how fast it runs, and what its steps are. Pure. */

export const SPEEDS = [1, 60, 300, 900, 3600] as const;
export type Speed = (typeof SPEEDS)[number];

export interface Span {
  from: number;
  to: number;
}

/** A step of the strip under the slider, in seconds, so that about 120 fit; as the API takes it. */
export function stepOf(span: Span): number {
  const wanted = (span.to - span.from) / 1000 / 120;
  return [60, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400].find((n) => n >= wanted) ?? 86400;
}

/** One step of the arrow keys: a minute in an hour, five in a day, and so on. */
export function nudge(span: Span): number {
  const minutes = (span.to - span.from) / 60_000;
  return (minutes <= 120 ? 1 : minutes <= 1500 ? 5 : minutes <= 11_000 ? 30 : 180) * 60_000;
}

/** Within the span, and never later than now. */
export function within(at: number, span: Span, now: number): number {
  return Math.max(span.from, Math.min(at, span.to, now));
}

/** The next or last mark at which something happened, seen from where one is; null when there is none. */
export function jump(at: number, marks: readonly number[], by: 1 | -1): number | null {
  const sorted = marks.toSorted((a, b) => a - b);
  return by > 0 ? (sorted.find((mark) => mark > at) ?? null) : (sorted.findLast((mark) => mark < at) ?? null);
}

/** An instant as a field for date and time shows it, by the clock of the province. */
export function fieldOf(ms: number): string {
  return new Date(ms)
    .toLocaleString('sv-SE', { timeZone: 'Asia/Ho_Chi_Minh' })
    .slice(0, 16)
    .replace(' ', 'T');
}

/** What such a field says, as an instant; null when it says nothing. */
export function ofField(text: string): number | null {
  const ms = Date.parse(`${text}:00+07:00`);
  return Number.isNaN(ms) ? null : ms;
}
