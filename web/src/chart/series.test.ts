import { expect, test } from 'vitest';

import type { History, Limit } from '../api/shapes.ts';
import { beyondSince, columnsOf, rowsOf, scaleOf, trendOf } from './series.ts';

const MINUTE = 60_000;

function history(values: (number | null)[], gaps: [number, number][] = [], qualities: number[] = []) {
  return {
    points: values.map((value, index) => [index * MINUTE, value, value, value, 1, qualities[index] ?? 0]),
    gaps,
  } as unknown as History;
}

const limit = (high: number | null, low: number | null = null) =>
  ({ title: '', high, low, unit: 'mg/L', reference: 'QCVN' }) as Limit;

test('a gap breaks the line even when no point stands in it', () => {
  const [times, means] = columnsOf(history([1, 2, 3], [[MINUTE, 2 * MINUTE]]));
  expect(times).toEqual([0, 60, 60.001, 120]);
  expect(means).toEqual([1, 2, null, 3]);
});

test('what was not measured is no part of the line', () => {
  const columns = columnsOf(history([1, 9, 2], [], [0, 1, 0]));
  expect(columns[1]).toEqual([1, null, 2]);
  expect(columns[4]).toEqual([null, 9, null]);
});

test('how long it is beyond the limit is counted from the last crossing', () => {
  const rows = rowsOf(history([60, 40, 55, 58]));
  expect(beyondSince(rows, [limit(50)])?.since).toBe(2 * MINUTE);
  expect(beyondSince(rows, [limit(70)])).toBeNull();
  expect(beyondSince(rowsOf(history([7, 5])), [limit(9, 6)])?.since).toBe(MINUTE);
});

test('a calibration neither begins nor ends an excess', () => {
  const rows = rowsOf(history([40, 55, 0, 58], [], [0, 0, 1, 0]));
  expect(beyondSince(rows, [limit(50)])?.since).toBe(MINUTE);
});

test('a trend needs enough values', () => {
  expect(trendOf(rowsOf(history([1, 2, 3])))).toBeNull();
  expect(trendOf(rowsOf(history([1, 1, 1, 1, 2, 2, 3, 3])))).toBe('rising');
  expect(trendOf(rowsOf(history([5, 5, 5, 5, 5, 5, 5, 5])))).toBe('steady');
});

test('the scale shows a near limit and leaves a far one out', () => {
  expect(scaleOf(columnsOf(history([30, 40])), [limit(50)])[1]).toBeGreaterThan(50);
  expect(scaleOf(columnsOf(history([30, 40])), [limit(30_000)])[1]).toBeLessThan(60);
  expect(scaleOf(columnsOf(history([10, 40])), [])[0]).toBe(0);
});
