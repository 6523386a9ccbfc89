/** The words of a draft while they are written, and the ring of an area as typed text. */
import type { WarningWords } from '../../api/shapes.ts';
import type { Area } from '../../map/model.ts';

export type Ring = number[][];

export const CATEGORIES = [
  'Met',
  'Geo',
  'Safety',
  'Security',
  'Rescue',
  'Fire',
  'Health',
  'Env',
  'Transport',
  'Infra',
  'Other',
] as const;
export const URGENCIES = ['Immediate', 'Expected', 'Future', 'Past', 'Unknown'] as const;
export const SEVERITIES = ['Extreme', 'Severe', 'Moderate', 'Minor', 'Unknown'] as const;
export const CERTAINTIES = ['Observed', 'Likely', 'Possible', 'Unlikely', 'Unknown'] as const;

/** A draft that says nothing yet. */
export function nothing(): WarningWords {
  return {
    event: {},
    headline: {},
    description: {},
    instruction: {},
    category: 'Safety',
    urgency: 'Expected',
    severity: 'Moderate',
    certainty: 'Likely',
    areas: [],
    polygons: [],
    onset: null,
    expires: null,
    targets: [],
    hazard: null,
    stage: null,
    risk_level: null,
  };
}

/** A ring as text: longitude, latitude, one point a line; the closing point is not repeated. */
export function typedRing(ring: Ring): string {
  const open = ring.length > 1 && same(ring[0], ring.at(-1)) ? ring.slice(0, -1) : ring;
  return open.map(([lon, lat]) => `${lon} ${lat}`).join('\n');
}

/** The ring that was typed, or the number of the line that is none. */
export function ringOf(text: string): Ring | number {
  const points: Ring = [];
  for (const [at, line] of text.split('\n').entries()) {
    if (!line.trim()) continue;
    const parts = line
      .trim()
      .split(/[\s;]+/)
      .map((part) => Number(part.replace(/,$/, '').replace(',', '.')));
    const [lon, lat] = parts;
    if (parts.length !== 2 || lon === undefined || lat === undefined) return at + 1;
    if (!Number.isFinite(lon) || !Number.isFinite(lat) || Math.abs(lon) > 180 || Math.abs(lat) > 90)
      return at + 1;
    points.push([lon, lat]);
  }
  return points;
}

function same(a: number[] | undefined, b: number[] | undefined): boolean {
  return a?.[0] === b?.[0] && a?.[1] === b?.[1];
}

/** The severity of CAP that goes with a stage of the city. */
export function severityOf(stage: number): string {
  return { 2: 'Minor', 3: 'Moderate', 4: 'Severe', 5: 'Extreme' }[stage] ?? 'Minor';
}

/** The wards and communes of a map: what a warning is said for. Their codes have five digits. */
export function communes(areas: readonly Area[]): Area[] {
  return areas.filter((area) => !area.upper && /^\d{5}$/.test(area.code));
}
