/** Pure helpers of `apply`: rows put in the place of the old ones, by id. */
import type { AlarmRow, FiguresChanged, IncidentRow, StationsChanged } from '../api/shapes.ts';
import type { Message } from './live.svelte.ts';

/** The rows with `row` in the place of the one with its id, or before all others when it is new. */
export function put<T extends { id: string }>(rows: readonly T[], row: T): T[] {
  const at = rows.findIndex((each) => each.id === row.id);
  if (at < 0) return [row, ...rows];
  const next = rows.slice();
  next[at] = row;
  return next;
}

/** The rows with those changed in their places; unknown ones are added at the end. */
export function putAll<T extends { id: string }>(rows: readonly T[], changed: readonly T[]): T[] {
  const by = new Map(changed.map((row) => [row.id, row]));
  const next = rows.map((row) => {
    const fresh = by.get(row.id);
    if (fresh) by.delete(row.id);
    return fresh ?? row;
  });
  return [...next, ...by.values()];
}

/** The alarm that a message tells of, or null when it tells of something else. */
export function alarmOf(message: Message): AlarmRow | null {
  if (!message.name.startsWith('Alarm')) return null;
  return (message.data as { row?: AlarmRow }).row ?? null;
}

/** The incident that a message tells of. */
export function incidentOf(message: Message): IncidentRow | null {
  if (!/^(Incident|Step)/.test(message.name)) return null;
  return (message.data as { row?: IncidentRow }).row ?? null;
}

export function stationsOf(message: Message): StationsChanged | null {
  return message.name === 'StationsChanged' ? (message.data as StationsChanged) : null;
}

export function figuresOf(message: Message): FiguresChanged | null {
  return message.name === 'FiguresChanged' ? (message.data as FiguresChanged) : null;
}

const AT_REST = new Set<AlarmRow['state']>(['closed', 'shelved', 'suppressed', 'out_of_service']);

/** Whether an alarm still asks for attention on the overview: not shelved, not closed. */
export function open(alarm: AlarmRow): boolean {
  return !AT_REST.has(alarm.state);
}

/** Those not received first, then by deadline, then by severity; the newest first among equals. */
export function byUrgency(a: AlarmRow, b: AlarmRow): number {
  const waits = (alarm: AlarmRow) => (alarm.state === 'unacknowledged' ? 0 : 1);
  const due = (alarm: AlarmRow) => (alarm.respond_by ? Date.parse(alarm.respond_by) : Infinity);
  const dueA = due(a);
  const dueB = due(b);
  return (
    waits(a) - waits(b) ||
    (dueA === dueB ? 0 : dueA - dueB) ||
    a.severity - b.severity ||
    Date.parse(b.began_at) - Date.parse(a.began_at)
  );
}
