/** How the state of a source is told apart, and which come first: those that need somebody. Pure. */
import type { SourceRow } from '../../api/shapes.ts';
import type { Sorting } from '../../ui/Table.svelte';
import { byName } from '../../i18n/format.ts';

export type SourceState = SourceRow['state'];
export const GROUPS = ['all', 'live', 'late', 'lost', 'off'] as const;
export type Group = (typeof GROUPS)[number];

const STATES: Record<Group, readonly SourceState[]> = {
  all: ['live', 'late', 'silent', 'never', 'fault', 'off'],
  live: ['live'],
  late: ['late'],
  lost: ['silent', 'never', 'fault'],
  off: ['off'],
};

export function belongs(row: SourceRow, group: Group): boolean {
  return STATES[group].includes(row.state);
}

export function tone(state: SourceState): 'plain' | 'good' | 'warn' | 'bad' | 'stale' {
  return (
    { live: 'plain', late: 'warn', silent: 'stale', never: 'stale', fault: 'bad', off: 'stale' } as const
  )[state];
}

const URGENCY: Record<SourceState, number> = { fault: 0, silent: 1, never: 2, late: 3, live: 4, off: 5 };

type Value = number | string | null;

const VALUES: Record<string, (row: SourceRow) => Value> = {
  name: (row) => row.name,
  state: (row) => URGENCY[row.state],
  seen: (row) => (row.last_seen ? Date.parse(row.last_seen) : null),
  lag: (row) => row.lag_s,
  accepted: (row) => row.counts.accepted,
  late: (row) => row.counts.late,
  duplicate: (row) => row.counts.duplicate,
  refused: (row) => row.counts.refused,
  correct: (row) => row.scores.correct,
  complete: (row) => row.scores.complete,
  clean: (row) => row.scores.clean,
  live: (row) => row.scores.live,
};

/** Rows in the order asked for; what is unknown comes last either way, names decide among equals. */
export function sorted(rows: readonly SourceRow[], sort: Sorting): SourceRow[] {
  const value = VALUES[sort.by] ?? (() => null);
  const compare = (a: Value, b: Value): number => {
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    const order = typeof a === 'string' ? byName(a, String(b)) : a - Number(b);
    return sort.down ? -order : order;
  };
  return [...rows].sort((a, b) => compare(value(a), value(b)) || byName(a.name, b.name));
}

/** The sorting that an address asks for: `seen` upwards, `-seen` downwards. */
export function sortingOf(word: string | null): Sorting {
  const by = (word ?? '').replace(/^-/, '');
  return by in VALUES ? { by, down: word?.startsWith('-') ?? false } : { by: 'state', down: false };
}

/** Below this a score is worth a second look. */
export const FAIR = 0.8;
