/** Marks as small pictures for the WebGL map: discs with their number, shapes of severity. Drawn twice as fine. */
import { BANDS, bandOf } from '../lib/aqi.ts';
import { colour, look } from '../lib/theme.svelte.ts';

export const FINE = 2;
const FONT = '"Inter Variable", "Inter fallback", sans-serif';

function paper(size: number): CanvasRenderingContext2D {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = size * FINE;
  const pen = canvas.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
  pen.scale(FINE, FINE);
  pen.textAlign = 'center';
  pen.textBaseline = 'alphabetic';
  return pen;
}

function circle(pen: CanvasRenderingContext2D, at: number, radius: number) {
  pen.beginPath();
  pen.arc(at, at, radius, 0, Math.PI * 2);
}

function disc(band: string, value: number, scale: number, chosen: boolean): CanvasRenderingContext2D {
  const radius = 12.5 * scale;
  const half = radius + 6 * scale;
  const pen = paper(half * 2);
  const found = BANDS.find((each) => each.band === band) ?? bandOf(value);
  if (chosen) {
    circle(pen, half, radius + 4 * scale);
    pen.lineWidth = 2 * scale;
    pen.strokeStyle = colour('--text');
    pen.stroke();
  }
  circle(pen, half, radius);
  pen.fillStyle = look.clearPalette ? found.clear : found.fill;
  pen.fill();
  pen.lineWidth = 1.5 * scale;
  pen.strokeStyle = colour('--disc-edge');
  pen.stroke();
  pen.fillStyle = look.clearPalette ? found.clearInk : found.ink;
  const size = (value > 99 ? 10.5 : 12) * scale;
  pen.font = `680 ${size}px ${FONT}`;
  pen.fillText(String(value), half, half + size * 0.364);
  return pen;
}

function plain(kind: string, state: string, scale: number, chosen: boolean): CanvasRenderingContext2D {
  const radius = (kind === 'air' ? 10 : 4.6) * scale;
  const half = radius + 6 * scale;
  const pen = paper(half * 2);
  const shape = (by: number) => {
    if (kind === 'square') {
      pen.beginPath();
      pen.rect(half - by, half - by, 2 * by, 2 * by);
    } else circle(pen, half, by);
  };
  if (chosen) {
    shape(radius + 3.5 * scale);
    pen.lineWidth = 2 * scale;
    pen.strokeStyle = colour('--text');
    pen.stroke();
  }
  shape(radius);
  if (state === 'ok' && kind !== 'air') {
    pen.fillStyle = colour('--muted');
    pen.fill();
    pen.lineWidth = 1.5 * scale;
    pen.strokeStyle = colour('--map-halo');
    pen.stroke();
    return pen;
  }
  pen.fillStyle = colour('--map-area');
  pen.fill();
  pen.lineWidth = 1.5 * scale;
  pen.strokeStyle = colour(state === 'silent' ? '--text-2' : '--line');
  if (state === 'silent' || kind === 'air') pen.setLineDash([2.6 * scale, 2 * scale]);
  pen.stroke();
  if (kind === 'air') {
    pen.fillStyle = colour('--text-2');
    pen.font = `600 ${11 * scale}px ${FONT}`;
    pen.fillText('–', half, half + 4 * scale);
  }
  return pen;
}

function severity(level: number, received: boolean, scale: number): CanvasRenderingContext2D {
  const size = 20 * scale;
  const half = size / 2 + 2;
  const pen = paper(half * 2);
  const r = size / 2;
  pen.beginPath();
  if (level === 1) {
    pen.moveTo(half, half - r);
    pen.lineTo(half + r, half);
    pen.lineTo(half, half + r);
    pen.lineTo(half - r, half);
    pen.closePath();
  } else if (level === 2) {
    pen.moveTo(half, half - r * 0.95);
    pen.lineTo(half + r, half + r * 0.8);
    pen.lineTo(half - r, half + r * 0.8);
    pen.closePath();
  } else if (level === 3) pen.rect(half - r * 0.82, half - r * 0.82, r * 1.64, r * 1.64);
  else pen.arc(half, half, r * 0.88, 0, Math.PI * 2);
  const main = colour(`--sev-${level}`);
  pen.lineJoin = 'round';
  pen.lineWidth = 3.5 * scale;
  pen.strokeStyle = colour('--map-halo');
  pen.stroke();
  pen.fillStyle = received ? colour('--map-area') : main;
  pen.fill();
  pen.lineWidth = 1.6 * scale;
  pen.strokeStyle = main;
  pen.stroke();
  pen.fillStyle = received ? main : colour('--sev-ink');
  pen.font = `720 ${11 * scale}px ${FONT}`;
  pen.fillText(String(level), half, half + (level === 2 ? 6.2 : 4) * scale);
  return pen;
}

/** The picture that `lookOf` named, or a severity (`sev:1:new`); null when the name says nothing. */
export function draw(name: string, scale: number): ImageData | null {
  const chosen = name.endsWith('!');
  const [kind = '', a = '', b = ''] = name.replace('!', '').split(':');
  let pen: CanvasRenderingContext2D;
  if (kind === 'aqi') pen = disc(a, Number(b), scale, chosen);
  else if (kind === 'sev') pen = severity(Number(a), b === 'received', scale);
  else if (kind === 'air' || kind === 'round' || kind === 'square') pen = plain(kind, a, scale, chosen);
  else return null;
  return pen.getImageData(0, 0, pen.canvas.width, pen.canvas.height);
}
