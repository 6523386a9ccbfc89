import { expect, test } from 'vitest';

import type { NoticeRow } from '../../api/shapes.ts';
import { bundled } from './bundle.ts';

function row(seq: number, kind: string, read = false): NoticeRow {
  const at = '2026-11-23T07:32:00Z';
  return { seq, kind, text: '', code: '', href: '', urgency: 2, at, read_at: read ? at : null };
}

test('a few of one kind stay lines of their own', () => {
  expect(bundled([row(1, 'a'), row(2, 'a'), row(3, 'a')]).length).toBe(3);
});

test('many of one kind are one line, and nothing is lost or moved', () => {
  const rows = [row(9, 'b'), ...Array.from({ length: 6 }, (_, n) => row(8 - n, 'a')), row(1, 'b')];
  const found = bundled(rows);
  expect(found.map((each) => each.rest.length)).toEqual([0, 5, 0]);
  expect(found.flatMap((each) => [each.first, ...each.rest])).toEqual(rows);
});

test('read and unread are not put together', () => {
  const rows = [...Array.from({ length: 4 }, (_, n) => row(9 - n, 'a')), row(3, 'a', true)];
  expect(bundled(rows).map((each) => each.rest.length)).toEqual([3, 0]);
});

test('nothing is nothing', () => {
  expect(bundled([])).toEqual([]);
});
