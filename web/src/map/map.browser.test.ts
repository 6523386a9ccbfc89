import { expect, test } from 'vitest';
import { render } from 'vitest-browser-svelte';

import { faults } from '../../tests/axe.ts';
import { areas } from '../../dev/province.ts';
import type { Areas } from '../api/shapes.ts';
import GlMap from './GlMap.svelte';
import { styleOf } from './gl.ts';
import { areasOf, type Mark } from './model.ts';
import SvgMap from './SvgMap.svelte';

const drawn = areasOf(areas() as unknown as Areas);
const marks: Mark[] = [
  {
    id: 'a',
    name: 'Trạm KCN Sóng Thần',
    place: [106.752, 10.893],
    href: '/stations/a',
    aqi: 163,
    band: 'bad',
    air: true,
    shape: 'square',
    state: 'alarm',
    severity: 2,
    received: false,
    chosen: false,
    about: 'VN_AQI 163, Xấu',
  },
];

test('both drawings have the archipelagos in every view wider than a province', async () => {
  const style = styleOf(
    { hoang_sa: 'Hoàng Sa (Việt Nam)', truong_sa: 'Trường Sa (Việt Nam)', zoom_hint: '', touch_hint: '' },
    1,
  );
  expect(JSON.stringify(style.sources.islands)).toContain('Hoàng Sa (Việt Nam)');
  expect(JSON.stringify(style.sources.islands)).toContain('Trường Sa (Việt Nam)');
  expect(style.layers.filter((layer) => 'source' in layer && layer.source === 'islands')).toHaveLength(2);
  const far: Mark = { ...(marks[0] as Mark), id: 'b', place: [105.85, 21.03] };
  const screen = await render(SvgMap, { areas: [], marks: [...marks, far], label: 'Việt Nam' });
  await expect.element(screen.getByText('Quần đảo Hoàng Sa (Việt Nam)')).toBeInTheDocument();
  await expect.element(screen.getByText('Quần đảo Trường Sa (Việt Nam)')).toBeInTheDocument();
});

test('the style asks nobody else for letters, pictures or tiles', () => {
  const style = styleOf({ hoang_sa: '', truong_sa: '', zoom_hint: '', touch_hint: '' }, 1);
  expect(style.glyphs).toBeUndefined();
  expect(style.sprite).toBeUndefined();
  expect(
    JSON.stringify(style)
      .match(/https?:\/\/[^"]+/g)
      ?.every((url) => url.startsWith(location.origin)),
  ).toBe(true);
});

test('the SVG twin names every mark, as a link', async () => {
  const screen = await render(SvgMap, { areas: drawn, marks, label: 'Bản đồ' });
  await expect
    .element(screen.getByRole('link', { name: 'Trạm KCN Sóng Thần: VN_AQI 163, Xấu' }))
    .toHaveAttribute('href', '/stations/a');
  expect(await faults()).toEqual([]);
});

test('the WebGL map is drawn', async () => {
  const holder = document.createElement('div');
  holder.style.cssText = 'width: 640px; height: 480px';
  document.body.append(holder);
  const screen = await render(GlMap, {
    target: holder,
    props: { areas: drawn, marks, label: 'Bản đồ', onfail: () => {} },
  });
  await expect.poll(() => holder.querySelector('[data-drawn=true]'), { timeout: 15_000 }).not.toBeNull();
  expect(await faults(holder)).toEqual([]);
  await screen.unmount();
});
