import { expect, test } from 'vitest';
import { userEvent } from 'vitest/browser';
import { render } from 'vitest-browser-svelte';

import { faults } from '../../tests/axe.ts';
import type { History } from '../api/shapes.ts';
import Chart from './Chart.svelte';

const BEGIN = Date.parse('2026-11-23T00:00:00Z');
const HOUR = 3_600_000;

const history = {
  entity: 'urn:ngsi-ld:WastewaterObserved:A',
  attribute: 'cod',
  dataset: '',
  title: 'COD',
  unit: 'mg/L',
  source: 'a',
  bucket: 'raw',
  begin: new Date(BEGIN).toISOString(),
  end: new Date(BEGIN + 24 * HOUR).toISOString(),
  as_known_at: null,
  points: Array.from({ length: 24 }, (_, index) => [
    BEGIN + index * HOUR,
    40 + index,
    40 + index,
    40 + index,
    1,
    index === 3 ? 1 : 0,
  ]),
  gaps: [[BEGIN + 5 * HOUR, BEGIN + 6 * HOUR]],
  limits: [{ title: 'tức thời', low: null, high: 60, unit: 'mg/L', reference: 'QCVN 40:2011/BTNMT' }],
  summary: { count: 23, expected: 24, mean: 52, min: 40, max: 63, last: 63 },
} as unknown as History;

test('a chart says in a sentence what it shows', async () => {
  const screen = await render(Chart, { history, title: 'COD' });
  const chart = screen.getByRole('img', {
    name: /COD trung bình 52 mg\/L, từ 40 đến 63, đang tăng, ngoài mức 60/,
  });
  await expect.element(chart).toBeInTheDocument();
  await expect.poll(() => screen.container.querySelector('canvas')).not.toBeNull();
  expect(await faults()).toEqual([]);
});

test('arrow keys read the points, Home and End go to the ends, Escape leaves', async () => {
  const screen = await render(Chart, { history, title: 'COD' });
  await expect.poll(() => screen.container.querySelector('canvas')).not.toBeNull();
  (screen.container.querySelector('[role=img]') as HTMLElement).focus();
  await userEvent.keyboard('{Home}');
  await expect.element(screen.getByText('23/11/2026 07:00: 40 mg/L').last()).toBeInTheDocument();
  await userEvent.keyboard('{ArrowRight}{ArrowRight}{ArrowRight}');
  await expect.element(screen.getByText(/10:00: 43\smg\/L, hiệu chuẩn/).last()).toBeInTheDocument();
  await userEvent.keyboard('{End}');
  await expect
    .poll(() => screen.container.querySelector('[aria-live]')?.textContent)
    .toContain('63\u00a0mg/L');
  await userEvent.keyboard('{Escape}');
  await expect.poll(() => screen.container.querySelector('.pointed')).toBeNull();
});

test('the table twin has every number that the line has', async () => {
  const screen = await render(Chart, { history, title: 'COD', table: true, csv: '/api/v1/history.csv' });
  expect(screen.container.querySelectorAll('tbody tr')).toHaveLength(24);
  await expect
    .element(screen.getByRole('link', { name: 'CSV' }))
    .toHaveAttribute('href', '/api/v1/history.csv');
  expect(await faults()).toEqual([]);
});
