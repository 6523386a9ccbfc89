/** Days and times as fields of forms write them, in the province's zone, whatever the computer believes. */

const OFFSET = '+07:00';

/** `2026-11-23T14:30` as people in the province mean it, to an instant; null when it is none. */
export function instantOf(local: string): string | null {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/.test(local)) return null;
  const ms = Date.parse(`${local.slice(0, 16)}:00${OFFSET}`);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

/** An instant as a field of a form writes it. */
export function localOf(instant: string | number | null | undefined): string {
  if (instant == null) return '';
  const ms = typeof instant === 'number' ? instant : Date.parse(instant);
  if (Number.isNaN(ms)) return '';
  return new Date(ms + 7 * 3_600_000).toISOString().slice(0, 16);
}
