/**
 * From an answer of the history to what a chart draws and says.
 *
 * Missing stays a gap: where the server names one, the line is broken, whatever its ends are. Values that are
 * not `measured` (calibration, fault, estimate) are marks of their own and never part of the line.
 */
import type { History, Limit } from '../api/shapes.ts';

export const QUALITIES = ['measured', 'calibrating', 'fault', 'estimated'] as const;

/** Columns for uPlot: seconds, mean, min, max, other qualities. */
export type Columns = [number[], (number | null)[], (number | null)[], (number | null)[], (number | null)[]];

export interface Row {
  at: number;
  mean: number | null;
  min: number | null;
  max: number | null;
  n: number;
  quality: number;
}

export function rowsOf(history: Pick<History, 'points'>): Row[] {
  return history.points.map(([at, mean, min, max, n, quality]) => ({
    at,
    mean,
    min,
    max,
    n,
    quality,
  })) as Row[];
}

export function columnsOf(history: Pick<History, 'points' | 'gaps'>): Columns {
  const breaks = history.gaps.map(
    ([from]) => ({ at: (from as number) + 1 }) as Partial<Row> & { at: number },
  );
  const all = [...rowsOf(history), ...breaks].sort((a, b) => a.at - b.at);
  const columns: Columns = [[], [], [], [], []];
  for (const row of all) {
    const measured = row.quality === 0;
    columns[0].push(row.at / 1000);
    columns[1].push(measured ? (row.mean ?? null) : null);
    columns[2].push(measured ? (row.min ?? null) : null);
    columns[3].push(measured ? (row.max ?? null) : null);
    columns[4].push(!measured ? (row.mean ?? null) : null);
  }
  return columns;
}

export function beyond(value: number, limit: Pick<Limit, 'low' | 'high'>): boolean {
  return (limit.high !== null && value > limit.high) || (limit.low !== null && value < limit.low);
}

/** Since when the newest measured values are beyond a limit without a break, or null. */
export function beyondSince(
  rows: readonly Row[],
  limits: readonly Limit[],
): { since: number; limit: Limit } | null {
  const measured = rows.filter((row) => row.quality === 0 && row.mean !== null);
  const last = measured.at(-1);
  if (!last) return null;
  const limit = limits.find((each) => beyond(last.mean as number, each));
  if (!limit) return null;
  let since = last.at;
  for (let index = measured.length - 1; index >= 0; index--) {
    const row = measured[index] as Row;
    if (!beyond(row.mean as number, limit)) break;
    since = row.at;
  }
  return { since, limit };
}

/** Which way the last quarter of the period went against the quarter before it. */
export function trendOf(rows: readonly Row[]): 'rising' | 'falling' | 'steady' | null {
  const values = rows.flatMap((row) => (row.quality === 0 && row.mean !== null ? [row.mean] : []));
  if (values.length < 8) return null;
  const quarter = Math.floor(values.length / 4);
  const mean = (part: number[]) => part.reduce((sum, value) => sum + value, 0) / part.length;
  const late = mean(values.slice(-quarter));
  const before = mean(values.slice(-2 * quarter, -quarter));
  const size = Math.abs(mean(values)) || 1;
  if (Math.abs(late - before) < size * 0.08) return 'steady';
  return late > before ? 'rising' : 'falling';
}

/** The lowest and highest that the scale must show: the values, and a limit when it is near enough to mean something. */
export function scaleOf(columns: Columns, limits: readonly Limit[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const column of [columns[1], columns[2], columns[3], columns[4]]) {
    for (const value of column) {
      if (value === null) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (low > high) [low, high] = [0, 1];
  const wide = high - low || Math.abs(high) || 1;
  for (const limit of limits) {
    for (const edge of [limit.low, limit.high]) {
      if (edge === null) continue;
      if (edge <= high + wide * 1.2 && edge >= low - wide * 1.2) {
        low = Math.min(low, edge);
        high = Math.max(high, edge);
      }
    }
  }
  // A scale that nearly reaches zero begins there, so that heights can be compared.
  if (low > 0 && low < high * 0.45) low = 0;
  const room = (high - low || 1) * 0.08;
  return [low === 0 ? 0 : low - room, high + room];
}
