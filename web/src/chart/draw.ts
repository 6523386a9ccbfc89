/** The canvas of a chart: uPlot with our limits, gaps and marks. Loaded when a chart is looked at. */
import 'uplot/dist/uPlot.min.css';

import uPlot from 'uplot';

import type { Limit } from '../api/shapes.ts';
import { colour } from '../lib/theme.svelte.ts';
import { number, shortDate, time, unit, ZONE } from '../i18n/format.ts';
import { scaleOf, type Columns } from './series.ts';

export interface Picture {
  columns: Columns;
  gaps: readonly (readonly [number, number])[];
  limits: readonly Limit[];
  begin: number;
  end: number;
  unit: string;
  /** Whether a band between the least and the most is drawn around the mean. */
  band: boolean;
}

export interface Face {
  update(picture: Picture): void;
  size(width: number, height: number): void;
  point(index: number | null): void;
  picture(): HTMLCanvasElement;
  close(): void;
}

function hatch(
  pen: CanvasRenderingContext2D,
  x: number,
  y: number,
  w: number,
  h: number,
  ink: string,
  step: number,
) {
  pen.save();
  pen.beginPath();
  pen.rect(x, y, w, h);
  pen.clip();
  pen.strokeStyle = ink;
  pen.globalAlpha = 0.5;
  pen.lineWidth = 1;
  pen.beginPath();
  for (let at = x - h; at < x + w; at += step) {
    pen.moveTo(at, y + h);
    pen.lineTo(at + h, y);
  }
  pen.stroke();
  pen.restore();
}

export function make(
  holder: HTMLElement,
  first: Picture,
  events: { pointed: (index: number | null) => void; chose: (from: number, to: number) => void },
): Face {
  let now = first;
  const font = (size: number, weight = 450) =>
    `${weight} ${size}px "Inter Variable", "Inter fallback", sans-serif`;
  const u16 = parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
  const small = u16 * 0.72;

  function ground(u: uPlot) {
    const pen = u.ctx;
    const { left, top, width, height } = u.bbox;
    const fine = uPlot.pxRatio;
    pen.save();
    for (const limit of now.limits) {
      const edges: [number | null, boolean][] = [
        [limit.high, true],
        [limit.low, false],
      ];
      for (const [edge, above] of edges) {
        if (edge === null) continue;
        const y = Math.max(top, Math.min(top + height, u.valToPos(edge, 'y', true)));
        pen.fillStyle = colour('--chart-over');
        if (above) pen.fillRect(left, top, width, y - top);
        else pen.fillRect(left, y, width, top + height - y);
      }
    }
    for (const [from, to] of now.gaps) {
      const x0 = Math.max(left, u.valToPos(from / 1000, 'x', true));
      const x1 = Math.min(left + width, u.valToPos(to / 1000, 'x', true));
      if (x1 - x0 >= 2) hatch(pen, x0, top, x1 - x0, height, colour('--line'), 7 * fine);
    }
    pen.restore();
  }

  function over(u: uPlot) {
    const pen = u.ctx;
    const { left, top, width, height } = u.bbox;
    const fine = uPlot.pxRatio;
    pen.save();
    pen.font = font(small * fine, 560);
    pen.textAlign = 'left';
    for (const limit of now.limits) {
      for (const edge of [limit.high, limit.low]) {
        if (edge === null) continue;
        const y = u.valToPos(edge, 'y', true);
        if (y < top - 1 || y > top + height + 1) continue;
        pen.strokeStyle = colour('--chart-limit');
        pen.lineWidth = 1.5 * fine;
        pen.setLineDash([6 * fine, 4 * fine]);
        pen.beginPath();
        pen.moveTo(left, y);
        pen.lineTo(left + width, y);
        pen.stroke();
        pen.setLineDash([]);
        const text = `${limit.title ? `${limit.title}: ` : ''}${number(edge)} ${unit(limit.unit)}`.trim();
        const wide = pen.measureText(text).width;
        const high = small * fine;
        const above = y - high * 1.7 > top;
        const base = above ? y - high * 0.75 : y + high * 1.3;
        pen.globalAlpha = 0.82;
        pen.fillStyle = colour('--panel');
        pen.fillRect(left + 4 * fine, base - high * 1.02, wide + 8 * fine, high * 1.36);
        pen.globalAlpha = 1;
        pen.fillStyle = colour('--chart-limit');
        pen.fillText(text, left + 8 * fine, base);
      }
    }
    pen.restore();
  }

  const axis = {
    stroke: () => colour('--text-2'),
    font: font(small),
    grid: { stroke: () => colour('--chart-grid'), width: 1 },
    ticks: { show: false },
  };

  const options: uPlot.Options = {
    width: holder.clientWidth || 600,
    height: holder.clientHeight || 280,
    padding: [10, 10, 0, 0],
    legend: { show: false },
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), ZONE),
    scales: {
      x: { time: true, range: () => [now.begin / 1000, now.end / 1000] },
      y: { range: () => scaleOf(now.columns, now.limits) },
    },
    axes: [
      {
        ...axis,
        space: 64,
        size: small * 2.4,
        values: (_u, splits, _axis, _space, step) =>
          splits.map((at) => {
            const clock = time(at * 1000);
            return step >= 86_400 || clock === '00:00' ? shortDate(at * 1000) : clock;
          }),
      },
      {
        ...axis,
        space: 34,
        size: (_u, values) =>
          Math.max(30, Math.max(...(values ?? ['']).map((text) => text.length)) * small * 0.62 + 12),
        values: (_u, splits) => splits.map((value) => number(value, 2)),
      },
    ],
    series: [
      {},
      {
        stroke: () => colour('--chart-1'),
        width: 1.75,
        points: {
          show: (u) => now.columns[0].length < u.bbox.width / uPlot.pxRatio / 9,
          size: 4,
          fill: () => colour('--chart-1'),
        },
      },
      { stroke: 'transparent', points: { show: false }, width: 0 },
      { stroke: 'transparent', points: { show: false }, width: 0 },
      {
        stroke: () => colour('--muted'),
        width: 0,
        paths: () => null,
        points: {
          show: true,
          size: 5,
          width: 1.2,
          stroke: () => colour('--muted'),
          fill: () => colour('--panel'),
        },
      },
    ],
    bands: [{ series: [3, 2], fill: () => (now.band ? colour('--chart-band') : 'transparent') }],
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false },
      points: { size: 8, width: 2, stroke: () => colour('--panel'), fill: () => colour('--chart-1') },
    },
    hooks: {
      drawClear: [ground],
      draw: [over],
      setCursor: [(u) => events.pointed(u.cursor.idx ?? null)],
      setSelect: [
        (u) => {
          if (u.select.width < 8) return;
          events.chose(
            u.posToVal(u.select.left, 'x') * 1000,
            u.posToVal(u.select.left + u.select.width, 'x') * 1000,
          );
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
  const plot = new uPlot(options, now.columns as uPlot.AlignedData, holder);

  return {
    update(picture) {
      now = picture;
      plot.setData(picture.columns as uPlot.AlignedData, true);
    },
    size(width, height) {
      plot.setSize({ width, height });
    },
    point(index) {
      if (index === null) {
        plot.setCursor({ left: -10, top: -10 }, false);
        return;
      }
      const at = now.columns[0][index];
      const value = now.columns[1][index] ?? now.columns[4][index];
      if (at === undefined) return;
      plot.setCursor(
        { left: plot.valToPos(at, 'x'), top: value == null ? 10 : plot.valToPos(value, 'y') },
        false,
      );
    },
    picture: () => plot.ctx.canvas,
    close: () => plot.destroy(),
  };
}
