import { expect, test } from 'vitest';

import type { IndicatorValues } from '../../api/shapes.ts';
import { courseOf } from './indicator.ts';

const HOUR = 3_600_000;

test('periods without a value are gaps, joined where they touch', () => {
  const values = [50, null, null, 70, null].map((value, index) => ({
    begin: new Date(index * HOUR).toISOString(),
    end: new Date((index + 1) * HOUR).toISOString(),
    value,
    have: 0,
    of: 0,
    why: '',
    band: null,
  }));
  const course = courseOf(
    {
      id: 'vn_aqi',
      subject: 'a',
      title: '',
      unit: '',
      as_known_at: null,
      limit: null,
      points: values,
    } as unknown as IndicatorValues,
    0,
    5 * HOUR,
  );
  expect(course.gaps).toEqual([
    [HOUR, 3 * HOUR],
    [4 * HOUR, 5 * HOUR],
  ]);
  expect(course.summary).toMatchObject({ count: 2, expected: 5, mean: 60, last: 70 });
  expect(course.bucket).toBe('hour');
});
