import { expect, test } from 'vitest';

import deskEn from '../../../src/datlanh/strings/desk.en.json';
import deskVi from '../../../src/datlanh/strings/desk.vi.json';
import webEn from '../../../src/datlanh/strings/web.en.json';
import webVi from '../../../src/datlanh/strings/web.vi.json';
import { fill, known, say, t } from './words.svelte.ts';

const vi: Record<string, string> = { ...webVi, ...deskVi };
const en: Record<string, string> = { ...webEn, ...deskEn };

test('a plural is chosen by the rules of the language', () => {
  const message = 'in {n, plural, one {# hour} other {# hours}}';
  expect(fill(message, { n: 1 }, 'en-GB')).toBe('in 1 hour');
  expect(fill(message, { n: 1200 }, 'en-GB')).toBe('in 1,200 hours');
  expect(fill('{n, plural, =0 {none} other {#}}', { n: 0 }, 'en-GB')).toBe('none');
});

test('a number in a sentence is written the way of the locale', () => {
  expect(fill('{n} dòng', { n: 1234.5 }, 'vi-VN')).toBe('1.234,5 dòng');
});

test('a value that is missing leaves nothing behind', () => {
  expect(fill('a{x}b', {}, 'vi-VN')).toBe('ab');
});

test('both languages say the same things', () => {
  expect(Object.keys(en).sort()).toEqual(Object.keys(vi).sort());
  const names = (message: string) => new Set([...message.matchAll(/\{(\w+)[,}]/g)].map((found) => found[1]));
  for (const [key, message] of Object.entries(vi)) {
    expect(names(en[key] ?? ''), key).toEqual(names(message));
  }
});

test('words made from data fall back when there are none', () => {
  expect(say('web.quality.measured')).toBe(t('web.quality.measured'));
  expect(say('web.quality.invented', 'invented')).toBe('invented');
  expect(known('web.nav.overview')).toBe(true);
});
