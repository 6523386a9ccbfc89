/** Pure helpers: a present value against its limits. */
import type { AttributeNow } from '../../api/shapes.ts';
import { number } from '../../i18n/format.ts';

/** What names an attribute in the address. */
export function nameOf(attribute: Pick<AttributeNow, 'name' | 'dataset'>): string {
  return attribute.dataset ? `${attribute.name}@${attribute.dataset}` : attribute.name;
}

/** The edge that a bar is drawn against. */
export function edgeOf(attribute: Pick<AttributeNow, 'limits'>): number | null {
  const limit = attribute.limits[0];
  return limit?.high ?? limit?.low ?? null;
}

/** Whether a measured value is outside a limit; a calibration never is. */
export function isOutside(attribute: Pick<AttributeNow, 'value' | 'quality' | 'limits'>): boolean {
  const { value } = attribute;
  if (value === null || attribute.quality !== 'measured') return false;
  return attribute.limits.some(
    ({ low, high }) => (high !== null && value > high) || (low !== null && value < low),
  );
}

/** A limit in a word: 50, 6–9, ≥ 5. */
export function limitText(attribute: Pick<AttributeNow, 'limits'>): string {
  const limit = attribute.limits[0];
  if (!limit) return '';
  if (limit.low !== null && limit.high !== null) return `${number(limit.low)}–${number(limit.high)}`;
  return limit.high !== null ? number(limit.high) : `≥\u00a0${number(limit.low)}`;
}
