import { expect, test } from 'vitest';

import type { AttributeNow } from '../../api/shapes.ts';
import { edgeOf, isOutside, limitText, nameOf } from './value.ts';

const attribute = (value: number | null, low: number | null, high: number | null, quality = 'measured') =>
  ({ name: 'ph', dataset: '', value, quality, limits: [{ low, high }] }) as unknown as AttributeNow;

test.each([
  [attribute(9.5, 6, 9), true],
  [attribute(5.9, 6, 9), true],
  [attribute(7, 6, 9), false],
  [attribute(99, null, 50, 'calibrating'), false],
  [attribute(null, null, 50), false],
])('outside a limit', (given, outside) => expect(isOutside(given)).toBe(outside));

test('a limit is said in a word', () => {
  expect(limitText(attribute(1, 6, 9))).toBe('6–9');
  expect(limitText(attribute(1, 5, null))).toBe('≥\u00a05');
  expect(limitText(attribute(1, null, 50))).toBe('50');
  expect(edgeOf(attribute(1, 6, 9))).toBe(9);
  expect(nameOf({ name: 'ph', dataset: 'urn:2' })).toBe('ph@urn:2');
});
