import { expect, test } from 'vitest';

import { changeOf, fieldsOf, typed } from './change.ts';

const limit = (more: object) => ({ value: 50, source: 'number' as const, name: '', share: 1, ...more });
const detection = {
  id: 'air.high',
  title: 'Cao',
  severity: 2,
  of: 'A.b',
  unit: 'µg/m³',
  begins: { kind: 'above', low: null, high: limit({}), lasting_s: 900, span_s: null, count: null },
  ends: {
    kind: 'below',
    low: limit({ source: 'permit', share: 0.95, value: null }),
    high: null,
    lasting_s: 0,
    span_s: null,
    count: null,
  },
};

test('a number is read with a comma or a point, and nothing else is', () => {
  expect([typed('12,5'), typed(' 1 200.5 '), typed('-3')]).toEqual([12.5, 1200.5, -3]);
  expect([typed(''), typed('1e9'), typed('12a'), typed('1,2,3')]).toEqual([null, null, null, null]);
});

test('what can be changed is what the detection has', () => {
  expect(fieldsOf(detection).map((field) => field.name)).toEqual([
    'high',
    'lasting_s',
    'ends_share',
    'ends_lasting_s',
  ]);
});

test('minutes are sent as seconds, per cent as a share, and what is empty is left as it is', () => {
  const fields = fieldsOf(detection);
  expect(changeOf(fields, { high: '60', lasting_s: '20', ends_share: '90' })).toEqual({
    change: { high: 60, lasting_s: 1200, ends_share: 0.9 },
    wrong: [],
  });
  expect(changeOf(fields, { high: 'x', lasting_s: ' ' })).toEqual({ change: {}, wrong: ['high'] });
});
