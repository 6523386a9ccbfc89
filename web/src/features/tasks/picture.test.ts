import { expect, test } from 'vitest';

import { fit } from './picture.ts';

test.each([
  [4000, 3000, 1600, 1200],
  [3000, 4000, 1200, 1600],
  [800, 600, 800, 600],
  [1600, 1, 1600, 1],
  [9000, 2, 1600, 1],
])('%d × %d becomes %d × %d', (width, height, toWidth, toHeight) => {
  expect(fit(width, height)).toEqual({ width: toWidth, height: toHeight });
});
