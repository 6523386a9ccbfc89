import { expect, test } from 'vitest';

import { ringOf, typedRing } from './shape.ts';

test('a ring that is typed comes back as it was', () => {
  const ring = [
    [106.6, 10.9],
    [106.7, 10.9],
    [106.7, 11],
  ];
  expect(ringOf(typedRing(ring))).toEqual(ring);
  expect(typedRing([...ring, [106.6, 10.9]])).toBe(typedRing(ring));
});

test('commas are read as they are written here', () => {
  expect(ringOf('106,65 10,98\n\n106.7, 10.9')).toEqual([
    [106.65, 10.98],
    [106.7, 10.9],
  ]);
});

test.each([
  ['106.6', 1],
  ['106.6 10.9\nx y', 2],
  ['106.6 10.9 3', 1],
  ['106.6 91', 1],
  ['190 10', 1],
])('%j is refused with its line', (text, line) => {
  expect(ringOf(text)).toBe(line);
});
