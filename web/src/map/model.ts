/**
 * What a map shows, before anybody draws it: areas with the place of their label, and marks.
 *
 * WebGL, SVG and table are three renderings of this one value. Places are longitude and latitude (WGS 84);
 * `project` is Web Mercator, so that both drawings look alike.
 */
import type { Areas, Severity, StationState } from '../api/shapes.ts';

export type Point = readonly [number, number];
export type Box = readonly [west: number, south: number, east: number, north: number];

export interface Mark {
  id: string;
  name: string;
  place: Point;
  href: string;
  /** VN_AQI where the station has one; such marks are discs with the number inside. */
  aqi: number | null;
  band: string | null;
  /** Measures air: a disc even while its index is unknown. */
  air: boolean;
  /** What kind of station: water is round, a stack is square. */
  shape: 'round' | 'square';
  state: StationState;
  /** The most urgent open alarm here, and whether somebody has received it. */
  severity: Severity | null;
  received: boolean;
  chosen: boolean;
  /** What to say of it in a word. */
  about: string;
}

export interface Area {
  code: string;
  name: string;
  /** Without the word for its kind: “Thủ Dầu Một”. */
  short: string;
  rings: Point[][];
  label: Point;
  /** Width and height of the box around it, in projected units, to know whether a label fits. */
  size: Point;
  upper: boolean;
  schematic: boolean;
}

/** The archipelagos that every view wider than a province must show, with their Vietnamese names. */
export const ISLANDS: readonly { key: 'hoang_sa' | 'truong_sa'; place: Point; dots: readonly Point[] }[] = [
  {
    key: 'hoang_sa',
    place: [112.0, 16.5],
    dots: [
      [111.6, 16.53],
      [111.74, 16.45],
      [112.34, 16.83],
      [112.34, 16.97],
      [111.19, 15.78],
      [112.73, 16.67],
      [111.69, 16.58],
      [111.6, 16.45],
    ],
  },
  {
    key: 'truong_sa',
    place: [113.2, 9.7],
    dots: [
      [111.92, 8.64],
      [114.33, 9.89],
      [114.36, 10.37],
      [114.33, 11.43],
      [115.54, 9.9],
      [112.92, 8.86],
      [112.23, 8.84],
      [113.84, 7.38],
      [114.48, 10.68],
      [114.27, 11.05],
      [112.88, 7.89],
    ],
  },
];

/** A view this wide (in degrees of longitude) is more than a province: the archipelagos belong in it. */
export const NATIONAL = 5;
/** The country with its sea. */
export const COUNTRY: Box = [101.5, 6.3, 118, 23.6];

/** Web Mercator, in degrees at the equator, so that numbers stay small. */
export function project([lon, lat]: Point): Point {
  const y = (Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) * 180) / Math.PI;
  return [lon, y];
}

type Rings = readonly (readonly number[])[][];

function ringsOf(geometry: { type: string; coordinates: unknown[] } | null): Point[][] {
  if (!geometry) return [];
  if (geometry.type === 'Polygon') return geometry.coordinates as unknown as Point[][];
  if (geometry.type === 'MultiPolygon')
    return (geometry.coordinates as unknown as Rings[]).flat() as unknown as Point[][];
  return [];
}

function ringArea(ring: readonly Point[]): number {
  let twice = 0;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [ax, ay] = ring[j] as Point;
    const [bx, by] = ring[i] as Point;
    twice += ax * by - bx * ay;
  }
  return Math.abs(twice) / 2;
}

function inside(point: Point, ring: readonly Point[]): boolean {
  let is = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [ax, ay] = ring[i] as Point;
    const [bx, by] = ring[j] as Point;
    if (ay > point[1] !== by > point[1] && point[0] < ((bx - ax) * (point[1] - ay)) / (by - ay) + ax)
      is = !is;
  }
  return is;
}

function toEdge(point: Point, ring: readonly Point[]): number {
  let least = Infinity;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [ax, ay] = ring[j] as Point;
    const [bx, by] = ring[i] as Point;
    const dx = bx - ax;
    const dy = by - ay;
    const part = Math.max(
      0,
      Math.min(1, ((point[0] - ax) * dx + (point[1] - ay) * dy) / (dx * dx + dy * dy || 1)),
    );
    least = Math.min(least, Math.hypot(point[0] - ax - part * dx, point[1] - ay - part * dy));
  }
  return least;
}

export function boxOf(points: readonly Point[]): Box {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    west = Math.min(west, x);
    east = Math.max(east, x);
    south = Math.min(south, y);
    north = Math.max(north, y);
  }
  return [west, south, east, north];
}

/** Where a label has the most room: the point inside farthest from the edge, found on a finer and finer grid. */
export function roomiest(ring: readonly Point[]): Point {
  let [west, south, east, north] = boxOf(ring);
  let best: Point = [(west + east) / 2, (south + north) / 2];
  let most = -1;
  for (let round = 0; round < 4; round++) {
    const n = 9;
    for (let i = 0; i <= n; i++) {
      for (let j = 0; j <= n; j++) {
        const point: Point = [west + ((east - west) * i) / n, south + ((north - south) * j) / n];
        if (!inside(point, ring)) continue;
        const room = toEdge(point, ring);
        if (room > most) [best, most] = [point, room];
      }
    }
    const w = (east - west) / 5;
    const h = (north - south) / 5;
    [west, south, east, north] = [best[0] - w / 2, best[1] - h / 2, best[0] + w / 2, best[1] + h / 2];
  }
  return best;
}

const KIND = /^(Phường|Xã|Thị trấn|Đặc khu|Thành phố|Thị xã|Huyện|Quận)\s+(?=\D)/;

/** “Phường 3” stays whole: a number alone is no name. */
export function shortName(name: string): string {
  return name.replace(KIND, '');
}

/** The areas of an answer; those above others (districts, where they are) are told apart. */
export function areasOf(areas: Areas | null): Area[] {
  if (!areas) return [];
  const drawn = areas.features.filter(
    (feature) => feature.geometry && feature.properties.kind !== 'province',
  );
  const parents = new Set(drawn.map((feature) => feature.properties.parent));
  return drawn.flatMap((feature) => {
    const rings = ringsOf(feature.geometry);
    const largest = rings.reduce<Point[] | null>(
      (most, ring) => (!most || ringArea(ring) > ringArea(most) ? ring : most),
      null,
    );
    if (!largest) return [];
    const box = boxOf(largest.map(project));
    return {
      code: feature.properties.code,
      name: feature.properties.name.normalize('NFC'),
      short: shortName(feature.properties.name.normalize('NFC')),
      rings,
      label: roomiest(largest),
      size: [box[2] - box[0], box[3] - box[1]] as Point,
      upper: parents.has(feature.properties.code),
      schematic: feature.properties.schematic,
    };
  });
}

/** What the first view must hold: all areas, or all marks where there are none. */
export function extent(areas: readonly Area[], marks: readonly Mark[]): Box | null {
  const points = areas.length ? areas.flatMap((area) => area.rings.flat()) : marks.map((mark) => mark.place);
  if (!points.length) return null;
  const [west, south, east, north] = boxOf(points);
  const least = 0.02;
  return [west - least / 4, south - least / 4, Math.max(east, west + least), Math.max(north, south + least)];
}

/** The picture of a mark by name; marks that look alike share one. */
export function lookOf(mark: Mark): string {
  const state = mark.state === 'alarm' || mark.state === 'attention' ? 'ok' : mark.state;
  const ring = mark.chosen ? '!' : '';
  if (mark.air && state === 'ok' && mark.aqi !== null)
    return `aqi:${mark.band ?? ''}:${Math.round(mark.aqi)}${ring}`;
  return `${mark.air ? 'air' : mark.shape}:${state}${ring}`;
}

/** Marks that matter more are drawn over the others. */
export function rank(mark: Mark): number {
  return (
    (mark.chosen ? 10_000 : 0) +
    (mark.severity ? (5 - mark.severity) * 1_000 : 0) +
    (mark.aqi ?? (mark.air ? 1 : 0))
  );
}
