import { afterEach, expect, test, vi } from 'vitest';
import { userEvent } from 'vitest/browser';
import { render } from 'vitest-browser-svelte';

import { faults } from '../../tests/axe.ts';
import type { components } from '../api/schema.ts';
import { speak } from '../i18n/words.svelte.ts';
import Effect from './Effect.svelte';

type Shape = components['schemas']['Effect'];
const HOUR = 3_600_000;
const START = Date.parse('2026-11-15T02:00:00Z');
const at = (hours: number) => new Date(START + hours * HOUR).toISOString();

/** Dust that was high while an incident ran, and came back. */
function anEffect(more: Partial<Shape> = {}): Shape {
  const window = (begin: number, end: number, median: number | null, have = 24) => ({
    begin: at(begin),
    end: at(end),
    have,
    of: 24,
    median,
    low: median,
    high: median,
  });
  return {
    about: 'incident',
    id: 'i',
    code: 'SC-26-000017',
    indicator: 'environment.pm25',
    title: 'PM2.5 trung bình 24 giờ',
    unit: 'µg/m³',
    decimals: 1,
    subject: '25747',
    subject_name: 'Phường Thủ Dầu Một',
    better: 'low',
    began_at: at(24),
    ended_at: at(36),
    at: at(70),
    verdict: 'said',
    level: 'inside',
    step: 'below',
    good: 'better',
    change: -42,
    before: window(0, 24, 80),
    during: window(24, 36, 92),
    after: window(36, 60, 38),
    level_band: { low: 30, middle: 38, high: 46, weeks: 12 },
    step_band: { low: -9, middle: 0, high: 9, weeks: 12 },
    points: Array.from({ length: 60 }, (_, hour) => ({
      at: at(hour),
      value:
        hour === 40 || hour === 41
          ? null
          : hour < 36
            ? 80 + 10 * Math.sin(hour / 3)
            : 38 + 3 * Math.sin(hour),
      low: 30 + 4 * Math.sin(hour / 4),
      middle: 38 + 4 * Math.sin(hour / 4),
      high: 46 + 4 * Math.sin(hour / 4),
    })),
    others: [
      {
        kind: 'incident',
        id: 'o',
        code: 'SC-26-000025',
        title: 'Cháy bãi rác',
        severity: 2,
        begin: at(20),
        end: null,
        same_place: true,
      },
    ],
    says: ['Từ 80 đến 38 µg/m³: giảm nhiều hơn mức chỉ số vẫn tự dao động.', 'Không chứng minh nguyên nhân.'],
    why: null,
    ...more,
  };
}

function answering(effect: Shape) {
  vi.stubGlobal(
    'fetch',
    async () => new Response(JSON.stringify(effect), { headers: { 'Content-Type': 'application/json' } }),
  );
}

afterEach(async () => {
  vi.unstubAllGlobals();
  await speak('vi');
});

test('what moved is said in words, drawn with its band, and told as a table', async () => {
  answering(anEffect());
  const screen = await render(Effect, { about: 'incident', id: 'i' });
  await expect.element(screen.getByText('tốt lên, ngoài dao động thường')).toBeVisible();
  await expect.element(screen.getByText('Không chứng minh nguyên nhân.')).toBeVisible();
  await expect.element(screen.getByRole('img', { name: /PM2.5 trung bình 24 giờ/ })).toBeVisible();
  // What is not known is a gap: the line is lifted there and begins anew.
  const line = screen.container.querySelector('path.line')?.getAttribute('d') ?? '';
  expect(line.match(/M/g)?.length).toBe(2);
  expect(await faults(screen.container)).toEqual([]);
  await userEvent.tab();
  await userEvent.keyboard('{Enter}');
  await expect.element(screen.getByRole('link', { name: 'SC-26-000025' })).toBeVisible();
  await userEvent.click(screen.getByRole('button', { name: 'Xem bảng' }));
  expect(screen.container.querySelectorAll('tbody tr').length).toBe(60);
  expect(await faults(screen.container)).toEqual([]);
});

test('where nothing can be said, nothing is drawn as if it could', async () => {
  answering(
    anEffect({
      indicator: null,
      verdict: 'no_indicator',
      points: [],
      others: [],
      says: ['Chưa nêu chỉ số.'],
    }),
  );
  const screen = await render(Effect, { about: 'directive', id: 'd' });
  await expect.element(screen.getByText('Chưa nêu chỉ số.')).toBeVisible();
  expect(screen.container.querySelector('svg')).toBeNull();
  expect(await faults(screen.container)).toEqual([]);
});
