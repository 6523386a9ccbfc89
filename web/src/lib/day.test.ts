import { expect, test } from 'vitest';

import { instantOf, localOf } from './day.ts';

test.each([
  ['2026-11-23T14:30', '2026-11-23T07:30:00.000Z'],
  ['2026-12-31T23:59', '2026-12-31T16:59:00.000Z'],
  ['2027-01-01T00:00', '2026-12-31T17:00:00.000Z'],
])('%s in the province is %s', (local, instant) => {
  expect(instantOf(local)).toBe(instant);
  expect(localOf(instant)).toBe(local);
});

test.each(['', '2026-11-23', 'soon', '2026-13-40T99:99'])('%j is no instant', (text) => {
  expect(instantOf(text)).toBeNull();
});

test('what is unknown is an empty field', () => {
  expect(localOf(null)).toBe('');
  expect(localOf('never')).toBe('');
});
