/** What may be proposed of a detection, and what somebody has typed of it. Pure. */
import type { components } from '../../api/schema.ts';
import { number } from '../../i18n/format.ts';

type Detection = components['schemas']['BackTestDetection'];
type Condition = components['schemas']['BackTestCondition'];
type Change = components['schemas']['BackTestChange'];

export type Values = Record<string, string>;
export interface Asked {
  name: keyof Change;
  /** How it stands now. */
  shown: string;
  source: 'number' | 'parameter' | 'permit' | 'minutes';
  from: string;
  unit: string;
  /** By how much what is typed is multiplied before it is sent: minutes become seconds, per cent a share. */
  times: number;
}

/** The figures of a detection that can be changed. */
export function fieldsOf(detection: Detection): Asked[] {
  return [
    ...conditionFields(detection.begins, '', detection.unit),
    ...(detection.ends ? conditionFields(detection.ends, 'ends_', detection.unit) : []),
  ];
}

function conditionFields(condition: Condition, prefix: '' | 'ends_', unit: string): Asked[] {
  const found: Asked[] = [];
  for (const side of ['low', 'high'] as const) {
    const limit = condition[side];
    if (!limit) continue;
    if (limit.source === 'permit') {
      found.push({
        name: `${prefix}share`,
        shown: number(limit.share * 100, 1),
        source: 'permit',
        from: limit.name,
        unit: '%',
        times: 0.01,
      });
    } else {
      found.push({
        name: `${prefix}${side}`,
        shown: limit.value === null ? '–' : number(limit.value),
        source: limit.source,
        from: limit.name,
        unit,
        times: 1,
      });
    }
  }
  found.push({
    name: `${prefix}lasting_s`,
    shown: number(condition.lasting_s / 60),
    source: 'minutes',
    from: '',
    unit: '',
    times: 60,
  });
  if (prefix === '' && condition.span_s !== null) {
    found.push({
      name: 'span_s',
      shown: number(condition.span_s / 60),
      source: 'minutes',
      from: '',
      unit: '',
      times: 60,
    });
  }
  if (prefix === '' && condition.count !== null) {
    found.push({
      name: 'count',
      shown: number(condition.count, 0),
      source: 'number',
      from: '',
      unit: '',
      times: 1,
    });
  }
  // Both bounds of one permit are one share.
  return found.filter((field, index) => found.findIndex((one) => one.name === field.name) === index);
}

/** A number as people type it: with a decimal comma or point. Null when it is none. */
export function typed(text: string): number | null {
  const plain = text.trim().replace(/\s/g, '').replace(',', '.');
  if (!/^-?\d+(\.\d+)?$/.test(plain)) return null;
  return Number(plain);
}

/** What is proposed, and the fields that cannot be read. What is left empty stays as it is. */
export function changeOf(fields: readonly Asked[], values: Values): { change: Change; wrong: string[] } {
  const change: Record<string, number> = {};
  const wrong: string[] = [];
  for (const field of fields) {
    const text = values[field.name] ?? '';
    if (!text.trim()) continue;
    const value = typed(text);
    if (value === null) wrong.push(field.name);
    else change[field.name] = value * field.times;
  }
  return { change: change as Change, wrong };
}
