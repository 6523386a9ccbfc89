/** What a person types into a date-and-time field is the province's time, whatever zone this computer believes in. */

const AHEAD = 7 * 3_600_000;

/** An instant as the field shows it: 2026-11-23T14:32. */
export function typedOf(ms: number): string {
  return new Date(ms + AHEAD).toISOString().slice(0, 16);
}

/** The instant that was typed, as the API wants it; null when it is none. */
export function instantOf(text: string): string | null {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(text)) return null;
  const ms = Date.parse(`${text.length === 16 ? `${text}:00` : text}+07:00`);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}
