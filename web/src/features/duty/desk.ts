/** What the duty desk works out by itself: the order of things, and the days of a week. */
import type { DutyItem, DutyShift, LogEntry } from '../../api/shapes.ts';

const DAY = 86_400_000;

/** A calendar day as text, some days on; days have no zone. */
export function dayAfter(day: string, count: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + count * DAY).toISOString().slice(0, 10);
}

/** The Monday of a day's week. */
export function mondayOf(day: string): string {
  const weekday = (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7;
  return dayAfter(day, -weekday);
}

/** Whether a text is a calendar day that exists. */
export function isDay(text: string | null): text is string {
  return !!text && /^\d{4}-\d\d-\d\d$/.test(text) && dayAfterOr(text) === text;
}

function dayAfterOr(text: string): string | null {
  const ms = Date.parse(`${text}T00:00:00Z`);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString().slice(0, 10);
}

/** What is due, the nearest first; a few. */
export function dueNext(items: readonly DutyItem[], most = 6): DutyItem[] {
  return items
    .filter((item) => item.due_at !== null && item.due_at !== undefined)
    .sort((a, b) => Date.parse(a.due_at ?? '') - Date.parse(b.due_at ?? ''))
    .slice(0, most);
}

/** The key of the first item that is not read, from a place on and around the end. */
export function nextUnread(items: readonly DutyItem[], from: number): number {
  for (let step = 0; step < items.length; step += 1) {
    const at = (from + step) % items.length;
    if (!items[at]?.read) return at;
  }
  return -1;
}

/** The lines of the log that people wrote or caused. */
export function byPeople(rows: readonly LogEntry[]): LogEntry[] {
  return rows.filter((row) => row.by);
}

export interface Line {
  /** The name of a shift of a roster: a line of the week's grid. */
  key: string;
  roster: string;
  title: string;
  days: DutyShift[][];
}

/** The time of day at which a shift begins, in the province: what lines are sorted by. */
const begins = (shift: DutyShift) => (Date.parse(shift.starts_at) + 7 * 3_600_000) % DAY;

/** The week as a grid: a line for each shift of each roster in their order, a cell for each day. */
export function grid(
  shifts: readonly DutyShift[],
  days: readonly string[],
  rosters: readonly string[] = [],
): Line[] {
  const lines = new Map<string, Line & { begins: number }>();
  for (const shift of shifts) {
    const key = `${shift.roster}/${shift.title}`;
    const line = lines.get(key) ?? {
      key,
      roster: shift.roster,
      title: shift.title,
      days: days.map(() => []),
      begins: begins(shift),
    };
    lines.set(key, line);
    line.days[days.indexOf(shift.day)]?.push(shift);
  }
  return [...lines.values()].sort(
    (a, b) => rosters.indexOf(a.roster) - rosters.indexOf(b.roster) || a.begins - b.begins,
  );
}
