import { expect, test } from 'vitest';

import type { Areas } from '../api/shapes.ts';
import {
  areasOf,
  COUNTRY,
  extent,
  ISLANDS,
  lookOf,
  project,
  rank,
  roomiest,
  shortName,
  type Mark,
} from './model.ts';

const square = [
  [106, 11],
  [107, 11],
  [107, 12],
  [106, 12],
  [106, 11],
] as const;

const mark: Mark = {
  id: 'a',
  name: 'A',
  place: [106.5, 11.5],
  href: '/',
  aqi: 57.4,
  band: 'moderate',
  air: true,
  shape: 'square',
  state: 'ok',
  severity: null,
  received: false,
  chosen: false,
  about: '',
};

function areas(...kinds: [code: string, kind: string, parent: string | null][]): Areas {
  return {
    type: 'FeatureCollection',
    as_of: '2026-11-23',
    features: kinds.map(([code, kind, parent]) => ({
      type: 'Feature',
      id: code,
      properties: { code, name: `Xã ${code}`, kind, parent, schematic: true },
      geometry: { type: 'Polygon', coordinates: [square] },
    })),
  } as unknown as Areas;
}

test('a label stands where there is room, inside', () => {
  const [x, y] = roomiest(square);
  expect(x).toBeCloseTo(106.5, 1);
  expect(y).toBeCloseTo(11.5, 1);
  const bent: [number, number][] = [
    [0, 0],
    [10, 0],
    [10, 10],
    [9, 10],
    [9, 1],
    [0, 1],
  ];
  const [bx, by] = roomiest(bent);
  expect(bx > 8.9 || by < 1.1).toBe(true);
});

test('the province itself is no area of the map; districts are told from communes', () => {
  const found = areasOf(
    areas(['74', 'province', null], ['718', 'district', '74'], ['25741', 'commune', '718']),
  );
  expect(found.map((area) => [area.code, area.upper])).toEqual([
    ['718', true],
    ['25741', false],
  ]);
});

test('a short name leaves out the kind, never a bare number', () => {
  expect(shortName('Phường Thủ Dầu Một')).toBe('Thủ Dầu Một');
  expect(shortName('Phường 3')).toBe('Phường 3');
});

test('the archipelagos lie in the extent of the country', () => {
  for (const group of ISLANDS) {
    for (const [lon, lat] of [group.place, ...group.dots]) {
      expect(lon > COUNTRY[0] && lon < COUNTRY[2] && lat > COUNTRY[1] && lat < COUNTRY[3]).toBe(true);
    }
  }
  expect(ISLANDS.map((group) => group.key)).toEqual(['hoang_sa', 'truong_sa']);
});

test('marks that look alike share a picture; silence has one of its own', () => {
  expect(lookOf(mark)).toBe('aqi:moderate:57');
  expect(lookOf({ ...mark, state: 'silent' })).toBe('air:silent');
  expect(lookOf({ ...mark, air: false, state: 'alarm' })).toBe('square:ok');
  expect(rank({ ...mark, severity: 1 })).toBeGreaterThan(rank({ ...mark, severity: 2 }));
});

test('the first view holds all areas, or all marks where there are none', () => {
  expect(extent(areasOf(areas(['1', 'commune', null])), [])?.map((value) => Math.round(value))).toEqual([
    106, 11, 107, 12,
  ]);
  expect(extent([], [mark])).not.toBeNull();
  expect(extent([], [])).toBeNull();
  expect(project([0, 0])[1]).toBeCloseTo(0);
});
