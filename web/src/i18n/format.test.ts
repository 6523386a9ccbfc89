import { expect, test } from 'vitest';

import {
  ago,
  byName,
  dateTime,
  decimals,
  number,
  percent,
  quantity,
  shortDate,
  stretch,
  unit,
  when,
} from './format.ts';

const AT = Date.parse('2026-11-23T07:32:00Z');

test('times are the province’s, whatever the computer believes', () => {
  expect(dateTime(AT)).toBe('23/11/2026 14:32');
  expect(dateTime('2026-11-23T17:00:00Z')).toBe('24/11/2026 00:00');
  expect(shortDate(AT)).toBe('23/11');
});

test('today needs only the time', () => {
  expect(when(AT, AT + 3_600_000)).toBe('14:32');
  expect(when(AT, AT + 86_400_000)).toBe('23/11 14:32');
  expect(when(AT, AT + 400 * 86_400_000)).toBe('23/11/2026 14:32');
});

test('unknown is a dash, never zero', () => {
  expect(number(null)).toBe('–');
  expect(quantity(undefined, 'mg/L')).toBe('–');
  expect(dateTime(null)).toBe('–');
});

test.each([
  [0, 0],
  [0.0432, 3],
  [4.62, 2],
  [46.81, 1],
  [1234.5, 0],
])('%d has %d decimals', (value, digits) => expect(decimals(value)).toBe(digits));

test('numbers are written the Vietnamese way, with the unit after a space that does not break', () => {
  expect(number(1234567.8, 1)).toBe('1.234.567,8');
  expect(quantity(46.8, 'ug/m3')).toBe('46,8\u00a0µg/m³');
  expect(quantity(97.5, '%')).toBe('97,5%');
  expect(percent(0.975, 1)).toBe('97,5%');
  expect(unit('GQ')).toBe('µg/m³');
});

test('an age is said in the largest unit that is still exact enough', () => {
  expect(ago(AT, AT + 30_000)).toBe('vừa xong');
  expect(ago(AT, AT + 12 * 60_000)).toBe('12 phút trước');
  expect(ago(AT, AT + 3 * 86_400_000)).toBe('3 ngày trước');
  expect(stretch(21 * 60_000)).toBe('00:21');
  expect(stretch(-4 * 60_000)).toBe('00:04');
});

test('names are sorted the Vietnamese way', () => {
  expect(['Đà', 'Dân', 'Bắc', 'Ân', 'Ăn', 'Án'].sort(byName)).toEqual(['Án', 'Ăn', 'Ân', 'Bắc', 'Dân', 'Đà']);
});
