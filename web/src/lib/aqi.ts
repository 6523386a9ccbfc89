/**
 * The bands of VN_AQI as Quyết định 1459/QĐ-TCMT names and colours them.
 *
 * Colours are fills only, and never alone: the number and the word go with them. The server decides which band
 * a value is in; `bandOf` is for legends and for values without one.
 */
export type Band = 'good' | 'moderate' | 'poor' | 'bad' | 'very_bad' | 'hazardous';

export interface BandLook {
  band: Band;
  from: number;
  to: number;
  fill: string;
  ink: string;
  /** The fill of the palette that is told apart without colour vision (viridis, six steps). */
  clear: string;
  clearInk: string;
}

export const BANDS: readonly BandLook[] = [
  { band: 'good', from: 0, to: 50, fill: '#00e400', ink: '#000000', clear: '#fde725', clearInk: '#000000' },
  {
    band: 'moderate',
    from: 51,
    to: 100,
    fill: '#ffff00',
    ink: '#000000',
    clear: '#7ad151',
    clearInk: '#000000',
  },
  {
    band: 'poor',
    from: 101,
    to: 150,
    fill: '#ff7e00',
    ink: '#000000',
    clear: '#22a884',
    clearInk: '#000000',
  },
  { band: 'bad', from: 151, to: 200, fill: '#ff0000', ink: '#000000', clear: '#2a788e', clearInk: '#ffffff' },
  {
    band: 'very_bad',
    from: 201,
    to: 300,
    fill: '#8f3f97',
    ink: '#ffffff',
    clear: '#414487',
    clearInk: '#ffffff',
  },
  {
    band: 'hazardous',
    from: 301,
    to: 500,
    fill: '#7e0023',
    ink: '#ffffff',
    clear: '#440154',
    clearInk: '#ffffff',
  },
];

export function bandOf(value: number): BandLook {
  const rounded = Math.round(value);
  return BANDS.find((band) => rounded <= band.to) ?? (BANDS.at(-1) as BandLook);
}
