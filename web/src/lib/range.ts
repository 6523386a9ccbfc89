/**
 * Ranges of time as they stand in an address: `now-24h` moves with the clock, an ISO time is frozen.
 */
export interface Range {
  from: string;
  to: string;
}

const STEP: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The instant that a word means, or null when it means none. */
export function instant(word: string, nowMs: number): number | null {
  if (word === 'now') return nowMs;
  const relative = /^now-(\d{1,5})([mhd])$/.exec(word);
  if (relative) return nowMs - Number(relative[1]) * (STEP[relative[2] ?? ''] ?? 0);
  const absolute = Date.parse(word);
  return Number.isNaN(absolute) ? null : absolute;
}

/** Both ends, in order; the default where the words mean nothing. */
export function span(range: Range, nowMs: number, otherwise = 86_400_000): [number, number] {
  const to = instant(range.to, nowMs) ?? nowMs;
  const from = instant(range.from, nowMs) ?? to - otherwise;
  return from < to ? [from, to] : [to - otherwise, to];
}

/** Whether the range moves with the clock. */
export function moves(range: Range): boolean {
  return range.to === 'now';
}
