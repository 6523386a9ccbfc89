import { expect, test } from 'vitest';

import type { AlarmRow } from '../../api/shapes.ts';
import { arrange, arrived, causes, count, filterOf, fits, folded, marksOf } from './desk.ts';
import type { AlarmGroupRow } from './desk_shapes.ts';

const alarm = (id: string, more: Partial<AlarmRow> = {}): AlarmRow =>
  ({
    id,
    code: `CB-${id}`,
    title: 'COD vượt giới hạn',
    severity: 2,
    state: 'unacknowledged',
    began_at: '2026-11-23T07:00:00Z',
    ended_at: null,
    respond_by: null,
    area: '25760',
    area_name: 'Phường Bình Dương',
    owner: 'Sở Nông nghiệp và Môi trường',
    owner_person: null,
    subject: { entity: null, area: '25760', name: 'KCN Mỹ Phước 1', place: null },
    kind: 'reading',
    group: null,
    follows: false,
    first_out: false,
    chattering: false,
    stale: false,
    maintenance: null,
    ...more,
  }) as AlarmRow;

const filter = (address = '') => filterOf(new URLSearchParams(address));

test('the address is the filter; what nobody understands is left out', () => {
  expect(filterOf(new URLSearchParams('state=closed&severity=1,3,9,x&area=7&q=cod'))).toEqual({
    tab: 'closed',
    severities: [1, 3],
    area: '7',
    q: 'cod',
  });
  expect(filter('state=nonsense').tab).toBe('open');
});

test('marks and case do not matter, all words must be there', () => {
  expect(fits(alarm('a'), filter('q=my phuoc'))).toBe(true);
  expect(fits(alarm('a'), filter('q=gioi han binh duong'))).toBe(true);
  expect(fits(alarm('a'), filter('q=my phuoc 2'))).toBe(false);
});

test('what comes later is counted and moves nothing', () => {
  const before = [alarm('a', { severity: 3 }), alarm('b', { severity: 4 })];
  const order = arrange(before, filter());
  const rows = [alarm('new', { severity: 1 }), alarm('gone', { state: 'closed' }), ...before];
  expect(order).toEqual(['a', 'b']);
  expect(arrived(order, rows, filter()).map((row) => row.id)).toEqual(['new']);
  expect(arrange(rows, filter())).toEqual(['new', 'a', 'b']);
});

test('counts of tabs obey the search but not the tab; counts of severities obey both', () => {
  const rows = [
    alarm('a', { severity: 1 }),
    alarm('b', { state: 'acknowledged' }),
    alarm('c', { state: 'shelved' }),
    alarm('d', { area: 'x' }),
  ];
  const { tabs, levels } = count(rows, filter('area=25760'));
  expect(tabs).toMatchObject({ open: 2, waiting: 1, taken: 1, shelved: 1, closed: 0 });
  expect(levels).toMatchObject({ 1: 1, 2: 1 });
});

test('in a flood, the causes that brought most come first', () => {
  const rows = [alarm('a', { title: 'pH' }), alarm('b'), alarm('c')];
  expect(causes(rows)).toEqual([
    { title: 'COD vượt giới hạn', n: 2 },
    { title: 'pH', n: 1 },
  ]);
});

const group = (id: string, more: Partial<AlarmGroupRow> = {}) =>
  ({ id, title: 'Khói', severity: 2, storm: false, count: 2, open: 2, waiting: 2, ...more }) as AlarmGroupRow;

test('a group is one row where its first alarm stands, and opens in its place', () => {
  const rows = [alarm('a'), alarm('b', { group: 'g' }), alarm('c'), alarm('d', { group: 'g' })];
  const groups = new Map([['g', group('g')]]);
  const ids = (opened: string[]) => folded(rows, groups, new Set(opened)).map((entry) => entry.id);
  expect(ids([])).toEqual(['a', 'g', 'c']);
  expect(ids(['g'])).toEqual(['a', 'g', 'b', 'd', 'c']);
});

test('one alarm of a group is that alarm, but a storm is a storm and brings its followers', () => {
  const rows = [alarm('a', { group: 'g' }), alarm('b', { group: 's' })];
  const groups = new Map([
    ['g', group('g')],
    ['s', group('s', { storm: true, open: 10_000 })],
  ]);
  const more = { s: [alarm('b', { group: 's' }), alarm('x', { group: 's', follows: true })] };
  expect(folded(rows, groups, new Set(), more).map((entry) => entry.id)).toEqual(['a', 's']);
  expect(folded(rows, groups, new Set(['s']), more).map((entry) => entry.id)).toEqual(['a', 's', 'b', 'x']);
});

test('marks say what is to be known at a glance', () => {
  expect(marksOf(alarm('m', { first_out: true, chattering: true, kind: 'camera.smoke' }))).toEqual([
    'first_out',
    'chattering',
    'camera',
  ]);
  expect(marksOf(alarm('m', { first_out: true, state: 'closed', stale: true, maintenance: 'w' }))).toEqual([
    'stale',
    'maintenance',
  ]);
  expect(marksOf(alarm('m'))).toEqual([]);
});
