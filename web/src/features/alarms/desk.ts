/**
 * What is on the desk, and in which order: pure.
 *
 * The order is made once for a filter and then kept, so that no row moves under the pointer; what came since is
 * counted (`arrived`) and shown when the person asks for it.
 */
import type { AlarmRow, AlarmState } from '../../api/shapes.ts';
import { fold } from '../../lib/fold.ts';
import { byUrgency } from '../../live/rows.ts';
import type { AlarmGroupRow } from './desk_shapes.ts';

export const TABS = ['open', 'waiting', 'taken', 'shelved', 'off', 'closed'] as const;
export type Tab = (typeof TABS)[number];

export const STATES: Record<Tab, readonly AlarmState[]> = {
  open: ['unacknowledged', 'acknowledged', 'cleared_unacknowledged'],
  waiting: ['unacknowledged', 'cleared_unacknowledged'],
  taken: ['acknowledged'],
  shelved: ['shelved'],
  off: ['suppressed', 'out_of_service'],
  closed: ['closed'],
};

export interface Filter {
  tab: Tab;
  severities: readonly number[];
  area: string;
  q: string;
}

/** The filter that an address asks for; what it does not understand is left out. */
export function filterOf(query: URLSearchParams): Filter {
  const tab = TABS.find((each) => each === query.get('state')) ?? 'open';
  const severities = (query.get('severity') ?? '')
    .split(',')
    .map(Number)
    .filter((level) => level >= 1 && level <= 4);
  return { tab, severities, area: query.get('area') ?? '', q: query.get('q') ?? '' };
}

/** Whether somebody still has to say that they have seen it. */
export function waits(alarm: AlarmRow): boolean {
  return STATES.waiting.includes(alarm.state);
}

/** Whether an alarm is what the filter asks for, but for its state. */
export function meant(alarm: AlarmRow, filter: Filter): boolean {
  if (filter.area && alarm.area !== filter.area) return false;
  if (!filter.q) return true;
  const text = [
    alarm.code,
    alarm.title,
    alarm.subject.name,
    alarm.area_name,
    alarm.owner,
    alarm.owner_person,
  ];
  const folded = fold(text.filter(Boolean).join(' '));
  return fold(filter.q)
    .split(/\s+/)
    .every((word) => folded.includes(word));
}

export function fits(alarm: AlarmRow, filter: Filter): boolean {
  return (
    STATES[filter.tab].includes(alarm.state) &&
    (!filter.severities.length || filter.severities.includes(alarm.severity)) &&
    meant(alarm, filter)
  );
}

const newestEnd = (a: AlarmRow, b: AlarmRow) =>
  Date.parse(b.ended_at ?? b.began_at) - Date.parse(a.ended_at ?? a.began_at);

/** The ids that the filter asks for, the most urgent first; of those closed, the newest. */
export function arrange(rows: readonly AlarmRow[], filter: Filter): string[] {
  return rows
    .filter((alarm) => fits(alarm, filter))
    .sort(filter.tab === 'closed' ? newestEnd : byUrgency)
    .map((alarm) => alarm.id);
}

/** Those that fit and are not in the order shown. */
export function arrived(order: readonly string[], rows: readonly AlarmRow[], filter: Filter): AlarmRow[] {
  const shown = new Set(order);
  return rows.filter((alarm) => !shown.has(alarm.id) && fits(alarm, filter));
}

/** How many there are of each tab and severity, among those that the rest of the filter lets through. */
export function count(rows: readonly AlarmRow[], filter: Filter) {
  const tabs = Object.fromEntries(TABS.map((tab) => [tab, 0])) as Record<Tab, number>;
  const levels: Record<number, number> = { 1: 0, 2: 0, 3: 0, 4: 0 };
  for (const alarm of rows) {
    if (!meant(alarm, filter)) continue;
    for (const tab of TABS) if (STATES[tab].includes(alarm.state)) tabs[tab] += 1;
    if (STATES[filter.tab].includes(alarm.state)) levels[alarm.severity] = (levels[alarm.severity] ?? 0) + 1;
  }
  return { tabs, levels };
}

export const MARKS = ['first_out', 'chattering', 'stale', 'maintenance', 'report', 'camera'] as const;
export type Mark = (typeof MARKS)[number];

/** What is to be known of an alarm at a glance, beyond its state. */
export function marksOf(alarm: AlarmRow): Mark[] {
  const told = alarm.kind.split('.')[0];
  const on: Record<Mark, boolean> = {
    first_out: alarm.first_out && alarm.state !== 'closed',
    chattering: alarm.chattering,
    stale: alarm.stale,
    maintenance: alarm.maintenance !== null,
    report: told === 'report',
    camera: told === 'camera',
  };
  return MARKS.filter((mark) => on[mark]);
}

export type Entry =
  { kind: 'alarm'; id: string; row: AlarmRow } | { kind: 'group'; id: string; group: AlarmGroupRow };

/**
 * The list with groups as one row each, where the first of their alarms stands; those that are opened are followed by
 * their alarms. A group of which only one alarm is in the list, and which is no storm, is that alarm.
 */
export function folded(
  rows: readonly AlarmRow[],
  groups: ReadonlyMap<string, AlarmGroupRow>,
  opened: ReadonlySet<string>,
  more: Readonly<Record<string, readonly AlarmRow[]>> = {},
): Entry[] {
  const own = new Map<string, AlarmRow[]>();
  for (const row of rows)
    if (row.group && groups.has(row.group)) own.set(row.group, [...(own.get(row.group) ?? []), row]);
  const said = new Set<string>();
  const entries: Entry[] = [];
  for (const row of rows) {
    const group = row.group ? groups.get(row.group) : undefined;
    const members = group ? (own.get(group.id) ?? []) : [];
    if (!group || (members.length < 2 && !group.storm)) {
      entries.push({ kind: 'alarm', id: row.id, row });
      continue;
    }
    if (said.has(group.id)) continue;
    said.add(group.id);
    entries.push({ kind: 'group', id: group.id, group });
    if (!opened.has(group.id)) continue;
    const here = new Set(members.map((each) => each.id));
    const rest = (more[group.id] ?? []).filter((each) => !here.has(each.id));
    for (const each of [...members, ...rest]) entries.push({ kind: 'alarm', id: each.id, row: each });
  }
  return entries;
}

/** The causes of many alarms, the largest group first. */
export function causes(rows: readonly AlarmRow[]): { title: string; n: number }[] {
  const of = new Map<string, number>();
  for (const alarm of rows) of.set(alarm.title, (of.get(alarm.title) ?? 0) + 1);
  return [...of].map(([title, n]) => ({ title, n })).sort((a, b) => b.n - a.n);
}
