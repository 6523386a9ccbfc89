/**
 * Numbers, units, dates: written by `Intl` in the language in use, always in the province's zone.
 *
 * Times come as ISO 8601 or as milliseconds; what the computer believes its zone to be does not matter.
 */
import { speaking, t } from './words.svelte.ts';

export const ZONE = 'Asia/Ho_Chi_Minh';
/** What stands where a value is unknown: never zero. */
export const UNKNOWN = '–';

type Instant = string | number | Date | null | undefined;

const made = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat>();

function cached<T extends Intl.DateTimeFormat | Intl.NumberFormat>(key: string, make: () => T): T {
  const name = `${speaking.locale} ${key}`;
  let format = made.get(name);
  if (!format) made.set(name, (format = make()));
  return format as T;
}

function dates(key: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  return cached(
    key,
    () => new Intl.DateTimeFormat(speaking.locale, { timeZone: ZONE, hourCycle: 'h23', ...options }),
  );
}

export function toMs(instant: Instant): number | null {
  if (instant == null) return null;
  const ms =
    instant instanceof Date ? instant.getTime() : typeof instant === 'number' ? instant : Date.parse(instant);
  return Number.isNaN(ms) ? null : ms;
}

/** As many decimals as the size deserves: 0,043 · 4,62 · 46,8 · 1.234. */
export function decimals(value: number): number {
  const size = Math.abs(value);
  if (size === 0 || Number.isInteger(value)) return 0;
  if (size < 0.1) return 3;
  if (size < 10) return 2;
  if (size < 1000) return 1;
  return 0;
}

export function number(value: number | null | undefined, digits?: number): string {
  if (value == null || Number.isNaN(value)) return UNKNOWN;
  const places = digits ?? decimals(value);
  return cached(
    `n${places}`,
    () => new Intl.NumberFormat(speaking.locale, { maximumFractionDigits: places, minimumFractionDigits: 0 }),
  ).format(value);
}

/** A number with exactly so many decimals, for columns. */
export function fixed(value: number | null | undefined, digits: number): string {
  if (value == null || Number.isNaN(value)) return UNKNOWN;
  return cached(
    `f${digits}`,
    () =>
      new Intl.NumberFormat(speaking.locale, {
        minimumFractionDigits: digits,
        maximumFractionDigits: digits,
      }),
  ).format(value);
}

/** A share from 0 to 1 as a percentage. */
export function percent(share: number | null | undefined, digits = 0): string {
  if (share == null) return UNKNOWN;
  return cached(
    `p${digits}`,
    () => new Intl.NumberFormat(speaking.locale, { style: 'percent', maximumFractionDigits: digits }),
  ).format(share);
}

/** Bytes, said the way people say them. */
export function bytes(size: number): string {
  if (size < 1024) return `${number(size)}\u00a0B`;
  if (size < 1024 * 1024) return `${number(size / 1024, 1)}\u00a0KB`;
  return `${number(size / 1024 / 1024, 1)}\u00a0MB`;
}

const UNITS: Record<string, string> = {
  GQ: 'µg/m³',
  'ug/m3': 'µg/m³',
  'ug/Nm3': 'µg/Nm³',
  'mg/m3': 'mg/m³',
  'mg/Nm3': 'mg/Nm³',
  GP: 'mg/m³',
  M1: 'mg/L',
  CEL: '°C',
  Cel: '°C',
  oC: '°C',
  P1: '%',
  MQH: 'm³/h',
  'm3/h': 'm³/h',
  C62: '',
  '1': '',
  '-': '',
  pH: '',
};

/** A unit as people write it; codes of UN/CEFACT and plain text of stations are both understood. */
export function unit(code: string | null | undefined): string {
  if (!code) return '';
  return UNITS[code] ?? code;
}

/** A value with its unit after a no-break space. */
export function quantity(
  value: number | null | undefined,
  code: string | null | undefined,
  digits?: number,
): string {
  const text = number(value, digits);
  const name = unit(code);
  if (!name || text === UNKNOWN) return text;
  return name === '%' ? `${text}%` : `${text}\u00a0${name}`;
}

/** 23/11/2026 14:32 */
export function dateTime(instant: Instant): string {
  const ms = toMs(instant);
  if (ms === null) return UNKNOWN;
  return `${date(ms)} ${time(ms)}`;
}

/** 23/11/2026 */
export function date(instant: Instant): string {
  const ms = toMs(instant);
  if (ms === null) return UNKNOWN;
  return dates('d', { day: '2-digit', month: '2-digit', year: 'numeric' }).format(ms);
}

/** 23/11 */
export function shortDate(instant: Instant): string {
  const ms = toMs(instant);
  if (ms === null) return UNKNOWN;
  // vi-VN would write 23-11 where it writes 23/11/2026.
  return date(ms).slice(0, 5);
}

/** 14:32 */
export function time(instant: Instant): string {
  const ms = toMs(instant);
  if (ms === null) return UNKNOWN;
  return dates('t', { hour: '2-digit', minute: '2-digit' }).format(ms);
}

/** 14:32:05 */
export function timeSeconds(instant: Instant): string {
  const ms = toMs(instant);
  if (ms === null) return UNKNOWN;
  return dates('ts', { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(ms);
}

/** Thứ Hai, 23/11/2026 */
export function weekday(instant: Instant): string {
  const ms = toMs(instant);
  if (ms === null) return UNKNOWN;
  return `${dates('w', { weekday: 'long' }).format(ms)}, ${date(ms)}`;
}

/** The day in the province's zone, as 2026-11-23. */
export function day(instant: Instant): string {
  const ms = toMs(instant);
  if (ms === null) return '';
  return cached(
    'day',
    () =>
      new Intl.DateTimeFormat('en-CA', { timeZone: ZONE, year: 'numeric', month: '2-digit', day: '2-digit' }),
  ).format(ms);
}

/** The shortest that is still clear: the time today, date and time on other days. */
export function when(instant: Instant, nowMs: number): string {
  const ms = toMs(instant);
  if (ms === null) return UNKNOWN;
  if (day(ms) === day(nowMs)) return time(ms);
  return date(ms).slice(-4) === date(nowMs).slice(-4) ? `${shortDate(ms)} ${time(ms)}` : dateTime(ms);
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago, said with the absolute time beside it: “12 phút trước”. */
export function ago(instant: Instant, nowMs: number): string {
  const ms = toMs(instant);
  if (ms === null) return t('web.age.never');
  const gone = Math.max(0, nowMs - ms);
  if (gone < MINUTE) return t('web.age.now');
  if (gone < HOUR) return t('web.age.minutes', { n: Math.floor(gone / MINUTE) });
  if (gone < 2 * DAY) return t('web.age.hours', { n: Math.floor(gone / HOUR) });
  return t('web.age.days', { n: Math.floor(gone / DAY) });
}

/** A stretch of time for a clock: “00:21”, “03:07”, “2 ngày”. */
export function stretch(ms: number): string {
  const length = Math.abs(ms);
  if (length >= 2 * DAY) return t('web.age.for_days', { n: Math.floor(length / DAY) });
  const minutes = Math.floor(length / MINUTE);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** Seconds as people say them: “45 giây”, “12 phút”, “3 giờ 5 phút”. */
export function span(seconds: number | null | undefined): string {
  if (seconds == null) return UNKNOWN;
  const whole = Math.round(seconds);
  if (whole < 90) return t('web.span.seconds', { n: whole });
  const minutes = Math.round(whole / 60);
  if (minutes < 90) return t('web.span.minutes', { n: minutes });
  const hours = Math.floor(minutes / 60);
  if (hours < 48) {
    return minutes % 60
      ? t('web.span.hours_minutes', { h: hours, m: minutes % 60 })
      : t('web.span.hours', { n: hours });
  }
  return t('web.span.days', { n: Math.round(hours / 24) });
}

/** Compare names the Vietnamese way: Án, Ăn, Ân, Bắc, Dân, Đà. */
export function byName(a: string, b: string): number {
  return collator.compare(a, b);
}

const collator = new Intl.Collator('vi', { numeric: true });
