import { expect, test } from 'vitest';

import type { AlarmRow } from '../api/shapes.ts';
import { grouped } from './group.ts';

const alarm = (id: string, title: string, severity = 2) =>
  ({ id, title, severity, state: 'unacknowledged' }) as AlarmRow;

test('a few alarms are never gathered', () => {
  expect(grouped(['a', 'b', 'c'].map((id) => alarm(id, 'pH')))).toHaveLength(3);
});

test('many of one cause are one line, where the first stood; urgent ones stand alone', () => {
  const many = Array.from({ length: 9 }, (_, index) => alarm(`p${index}`, 'pH'));
  const lines = grouped([
    alarm('u1', 'COD', 1),
    alarm('u2', 'COD', 1),
    alarm('u3', 'COD', 1),
    ...many,
    alarm('x', 'TSS'),
  ]);
  expect(lines.map((line) => line.alarms.length)).toEqual([1, 1, 1, 9, 1]);
});
