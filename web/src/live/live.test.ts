import { expect, test } from 'vitest';

import type { AlarmRow } from '../api/shapes.ts';
import { reader, type Event } from './events.ts';
import { alarmOf, byUrgency, open, put, putAll } from './rows.ts';

function read(...pieces: string[]): { told: Event[]; heard: number } {
  const told: Event[] = [];
  let heard = 0;
  const take = reader(
    (event) => told.push(event),
    () => heard++,
  );
  pieces.forEach(take);
  return { told, heard };
}

test('events are whole however the stream is cut', () => {
  const { told } = read('id: 7\nevent: Alarm', 'Changed\ndata: {"a"', ':1}\n', '\nevent: x\ndata: 2\n\n');
  expect(told).toEqual([
    { id: '7', name: 'AlarmChanged', data: '{"a":1}' },
    { id: '', name: 'x', data: '2' },
  ]);
});

test('a heartbeat is heard and tells nothing', () => {
  expect(read(': ping\n\n', ': ping\r\n\r\n')).toEqual({ told: [], heard: 2 });
});

test('a message on several lines is one message', () => {
  expect(read('data: a\ndata: b\n\n').told[0]?.data).toBe('a\nb');
});

const alarm = (id: string, more: Partial<AlarmRow> = {}): AlarmRow =>
  ({
    id,
    severity: 3,
    state: 'acknowledged',
    began_at: '2026-11-23T07:00:00Z',
    respond_by: null,
    ...more,
  }) as AlarmRow;

test('a row takes the place of the old one by its id', () => {
  const rows = [alarm('a'), alarm('b')];
  expect(put(rows, alarm('b', { severity: 1 })).map((row) => [row.id, row.severity])).toEqual([
    ['a', 3],
    ['b', 1],
  ]);
  expect(put(rows, alarm('c')).map((row) => row.id)).toEqual(['c', 'a', 'b']);
  expect(putAll(rows, [alarm('c'), alarm('a', { severity: 2 })]).map((row) => row.id)).toEqual([
    'a',
    'b',
    'c',
  ]);
});

test('those that nobody has received come first, then by deadline, then by severity', () => {
  const rows = [
    alarm('late', { respond_by: '2026-11-23T09:00:00Z' }),
    alarm('soon', { respond_by: '2026-11-23T08:00:00Z' }),
    alarm('new-low', { state: 'unacknowledged', severity: 4 }),
    alarm('new-urgent', { state: 'unacknowledged', severity: 1 }),
  ];
  expect(rows.sort(byUrgency).map((row) => row.id)).toEqual(['new-urgent', 'new-low', 'soon', 'late']);
});

test('shelved and closed alarms are at rest', () => {
  expect(
    [alarm('a'), alarm('b', { state: 'shelved' }), alarm('c', { state: 'closed' })].filter(open),
  ).toHaveLength(1);
});

test('only messages of alarms tell of alarms', () => {
  expect(alarmOf({ position: 1, name: 'AlarmChanged', data: { row: alarm('a') } })?.id).toBe('a');
  expect(alarmOf({ position: 1, name: 'IncidentChanged', data: { row: {} } })).toBeNull();
});
