import { expect, test } from 'vitest';

import { fieldOf, jump, nudge, ofField, stepOf, within } from './time.ts';

const HOUR = 3_600_000;
const day = { from: 0, to: 24 * HOUR };

test('about 120 steps fit under the slider', () => {
  for (const hours of [1, 6, 24, 168, 720]) {
    const span = { from: 0, to: hours * HOUR };
    expect((hours * 3600) / stepOf(span)).toBeLessThanOrEqual(120);
  }
});

test('nobody goes beyond the span or into the future', () => {
  expect(within(-5, day, 100 * HOUR)).toBe(0);
  expect(within(30 * HOUR, day, 100 * HOUR)).toBe(24 * HOUR);
  expect(within(20 * HOUR, day, 10 * HOUR)).toBe(10 * HOUR);
});

test('jumping finds the nearest mark on each side, whatever their order', () => {
  const marks = [30, 10, 20];
  expect(jump(10, marks, 1)).toBe(20);
  expect(jump(20, marks, -1)).toBe(10);
  expect(jump(30, marks, 1)).toBeNull();
});

test('the arrow keys take steps that fit the span', () => {
  expect(nudge({ from: 0, to: HOUR })).toBe(60_000);
  expect(nudge(day)).toBe(300_000);
});

test('a field tells the clock of the province and gives the same instant back', () => {
  const at = Date.parse('2026-11-23T00:30:00Z');
  expect(fieldOf(at)).toBe('2026-11-23T07:30');
  expect(ofField(fieldOf(at))).toBe(at);
  expect(ofField('')).toBeNull();
});
