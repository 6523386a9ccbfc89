/**
 * How large letters on a wall must be: from where people sit, not by guess.
 *
 * ISO 9241-3 asks for capitals of at least 16 minutes of arc (20 are better); those of Inter are 0.728 of the
 * font's size.
 */
const LEAST_ARC = (16 / 60) * (Math.PI / 180);
const CAPITAL = 0.728;

/** The least size of a font, in CSS pixels, seen from `distance` metres on a screen of `diagonal` inches. */
export function leastFont(distance: number, diagonal: number, width: number, height: number): number {
  const pitch = (diagonal * 25.4) / Math.hypot(width, height);
  return (distance * 1000 * Math.tan(LEAST_ARC)) / pitch / CAPITAL;
}

/** The unit of the wall for which its small letters are large enough; never so large that nothing fits. */
export function wallUnit(distance: number, diagonal: number, width: number, height: number): number {
  const small = 0.8125; // the size of small letters, in units
  const unit = leastFont(distance, diagonal, width, height) / small;
  return Math.round(Math.max(12, Math.min(unit, height / 21, width / 38)) * 4) / 4;
}

/** Whether so few lines fit that the wall shows less, larger. */
export function isFar(unit: number, height: number): boolean {
  return height / unit < 36;
}
