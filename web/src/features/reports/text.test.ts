import { expect, test } from 'vitest';

import { blocks, lost, pieces } from './text.ts';

test('a line keeps its words and marks apart, and loses none', () => {
  expect(pieces('12 cảnh báo[^1], 3 sự cố[^2].')).toEqual([
    { text: '12 cảnh báo' },
    { note: 1 },
    { text: ', 3 sự cố' },
    { note: 2 },
    { text: '.' },
  ]);
  expect(pieces('')).toEqual([]);
  expect(pieces('[^x] [^12345]')).toEqual([{ text: '[^x] [^12345]' }]);
});

test('an item begins with a dash and a space', () => {
  expect(blocks('một\n\n- hai[^3]\n-ba').map((block) => block.item)).toEqual([false, true, false]);
});

test('marks without a note are found before the server refuses them', () => {
  expect(lost('a[^1] b[^9]', [{ number: 1 }])).toEqual([9]);
});
