import { expect, test } from 'vitest';

import { bandOf } from './aqi.ts';
import { fold } from './fold.ts';
import { instant, moves, span } from './range.ts';
import { match } from './route.svelte.ts';
import { isFar, leastFont, wallUnit } from './wall.ts';

test('a search ignores marks and case', () => {
  expect(fold('Ngưỡng Đẩu')).toBe('nguong dau');
  expect(fold('Thủ Dầu Một'.normalize('NFD'))).toBe('thu dau mot');
});

test('a path is matched part by part', () => {
  expect(match('/stations/:id', '/stations/urn%3Aa')).toEqual({ id: 'urn:a' });
  expect(match('/', '/')).toEqual({});
  expect(match('/stations/:id', '/stations')).toBeNull();
  expect(match('/alarms', '/sources')).toBeNull();
});

test('a relative range moves with the clock, an absolute one is frozen', () => {
  const now = Date.parse('2026-11-23T07:00:00Z');
  expect(instant('now-24h', now)).toBe(now - 86_400_000);
  expect(instant('tomorrow', now)).toBeNull();
  expect(span({ from: '2026-11-01T00:00:00Z', to: '2026-11-02T00:00:00Z' }, now)).toEqual([
    Date.parse('2026-11-01T00:00:00Z'),
    Date.parse('2026-11-02T00:00:00Z'),
  ]);
  expect(span({ from: 'nonsense', to: 'now' }, now)).toEqual([now - 86_400_000, now]);
  expect(span({ from: 'now', to: 'now-1h' }, now)).toEqual([now - 3_600_000 - 86_400_000, now - 3_600_000]);
  expect(moves({ from: 'now-1h', to: 'now' })).toBe(true);
});

test.each([
  [50, 'good'],
  [51, 'moderate'],
  [150, 'poor'],
  [200.4, 'bad'],
  [300, 'very_bad'],
  [900, 'hazardous'],
])('%d is %s', (value, band) => expect(bandOf(value).band).toBe(band));

test('letters on a wall follow the distance', () => {
  expect(Math.round(leastFont(4, 55, 1920, 1080))).toBe(40);
  expect(Math.round(leastFont(4, 55, 3840, 2160))).toBe(81);
  expect(Math.round(leastFont(2, 110, 3840, 2160))).toBe(20);
  expect(wallUnit(2, 55, 1920, 1080)).toBeCloseTo(24.75, 0);
  expect(isFar(wallUnit(4, 55, 1920, 1080), 1080)).toBe(true);
  expect(isFar(wallUnit(1.5, 55, 1920, 1080), 1080)).toBe(false);
});
