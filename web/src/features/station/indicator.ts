/** The values of an indicator, made into a course that a chart can draw; a period without a value is a gap. */
import type { History, IndicatorValues } from '../../api/shapes.ts';

export function courseOf(values: IndicatorValues, begin: number, end: number): History {
  const points = values.points
    .map((point) => ({ from: Date.parse(point.begin), at: Date.parse(point.end), ...point }))
    .sort((a, b) => a.at - b.at);
  const gaps: [number, number][] = [];
  for (const point of points) {
    if (point.value !== null) continue;
    const last = gaps.at(-1);
    if (last && last[1] >= point.from) last[1] = point.at;
    else gaps.push([point.from, point.at]);
  }
  const known = points.flatMap((point) => (point.value === null ? [] : [point.value]));
  const first = points[0];
  const seconds = first ? Math.round((first.at - first.from) / 1000) : 3600;
  return {
    entity: values.subject,
    attribute: values.id,
    dataset: '',
    title: values.title,
    unit: values.unit,
    source: null,
    bucket: seconds === 3600 ? 'hour' : seconds === 86_400 ? 'day' : String(seconds),
    begin: new Date(begin).toISOString(),
    end: new Date(end).toISOString(),
    as_known_at: values.as_known_at,
    points: points.map((point) => [point.at, point.value, null, null, point.have, 0]),
    gaps,
    limits: values.limit
      ? [
          {
            title: '',
            low: null,
            high: values.limit.value,
            unit: values.unit,
            reference: values.limit.reference,
          },
        ]
      : [],
    summary: {
      count: known.length,
      expected: points.length,
      mean: known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null,
      min: known.length ? Math.min(...known) : null,
      max: known.length ? Math.max(...known) : null,
      last: known.at(-1) ?? null,
    },
  } as unknown as History;
}
