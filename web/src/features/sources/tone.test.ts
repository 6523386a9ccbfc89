import { expect, test } from 'vitest';

import type { SourceRow } from '../../api/shapes.ts';
import { belongs, sorted, sortingOf } from './tone.ts';

const row = (name: string, state: SourceRow['state'], last_seen: string | null = null): SourceRow =>
  ({ id: name, name, state, last_seen }) as SourceRow;

const rows = [
  row('Ăn', 'live', '2026-11-23T07:00:00Z'),
  row('Án', 'live', '2026-11-23T08:00:00Z'),
  row('Bắc', 'silent', '2026-11-23T01:00:00Z'),
  row('Đà', 'never'),
];
const names = (found: SourceRow[]) => found.map((each) => each.name);

test('those that need somebody come first, names the Vietnamese way among equals', () => {
  expect(names(sorted(rows, sortingOf(null)))).toEqual(['Bắc', 'Đà', 'Án', 'Ăn']);
});

test('what was never heard comes last, whichever way', () => {
  expect(names(sorted(rows, sortingOf('seen')))).toEqual(['Bắc', 'Ăn', 'Án', 'Đà']);
  expect(names(sorted(rows, sortingOf('-seen')))).toEqual(['Án', 'Ăn', 'Bắc', 'Đà']);
});

test('never heard is lost too', () => {
  expect(rows.filter((each) => belongs(each, 'lost')).map((each) => each.name)).toEqual(['Bắc', 'Đà']);
});
