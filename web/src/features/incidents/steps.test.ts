import { expect, test } from 'vitest';

import type { Step } from '../../api/shapes.ts';
import { nextSteps, rowsOf, typedNumber, wantsEvidence } from './steps.ts';

const step = (id: string, more: Partial<Step> = {}): Step =>
  ({ id, state: 'ready', due_at: null, wants: null, ...more }) as Step;

test('what is next: only what can be worked on, by deadline, begun before waiting', () => {
  const steps = [
    step('done', { state: 'done', due_at: '2026-11-23T06:00:00Z' }),
    step('waits', { state: 'waiting', due_at: '2026-11-23T06:30:00Z' }),
    step('later', { due_at: '2026-11-23T09:00:00Z' }),
    step('sooner', { due_at: '2026-11-23T08:00:00Z' }),
    step('begun', { state: 'started', due_at: '2026-11-23T09:00:00Z' }),
    step('some day'),
  ];
  expect(nextSteps(steps).map((each) => each.id)).toEqual(['sooner', 'begun', 'later', 'some day']);
});

test('a step that wants evidence says so', () => {
  expect(wantsEvidence(step('a', { wants: 'photo' }))).toBe(true);
  expect(wantsEvidence(step('b'))).toBe(false);
});

test('steps of one row may run at the same time, each row comes after the one before', () => {
  const steps = [
    { id: 'a', after: [] },
    { id: 'b', after: ['a'] },
    { id: 'c', after: ['a'] },
    { id: 'd', after: ['c'] },
    { id: 'e', after: ['a', 'd'] },
    { id: 'f', after: ['gone'] },
  ];
  expect(rowsOf(steps).map((row) => row.map((step) => step.id))).toEqual([
    ['a', 'f'],
    ['b', 'c'],
    ['d'],
    ['e'],
  ]);
});

test('a number is read the way people of either language write it', () => {
  expect(typedNumber('1,5')).toBe(1.5);
  expect(typedNumber(' 10.98123 ')).toBe(10.98123);
  expect(typedNumber('mười')).toBeNaN();
  expect(typedNumber('')).toBeNaN();
});
