/**
 * The WebGL map: MapLibre behind a small face of our own. Loaded only when a map is looked at.
 *
 * There is no tile, glyph or sprite server: areas and marks are our own GeoJSON, letters come from two woff2
 * files named in the style, pictures are drawn when they are first asked for.
 */
import latin from '@fontsource/inter/files/inter-latin-600-normal.woff2?url';
import vietnamese from '@fontsource/inter/files/inter-vietnamese-600-normal.woff2?url';
import { Map as GlMap, setWorkerUrl, type GeoJSONSource, type StyleSpecification } from 'maplibre-gl';
import type { FeatureCollection } from 'geojson';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';

import { colour } from '../lib/theme.svelte.ts';
import { draw, FINE } from './draw.ts';
import { COUNTRY, extent, ISLANDS, lookOf, rank, type Area, type Box, type Mark } from './model.ts';

setWorkerUrl(workerUrl);

const VIETNAMESE = [
  'U+0102-0103',
  'U+0110-0111',
  'U+0128-0129',
  'U+0168-0169',
  'U+01A0-01A1',
  'U+01AF-01B0',
  'U+0300-0301',
  'U+0303-0304',
  'U+0308-0309',
  'U+0323',
  'U+0329',
  'U+1EA0-1EF9',
  'U+20AB',
];

export interface Words {
  hoang_sa: string;
  truong_sa: string;
  zoom_hint: string;
  touch_hint: string;
}

export interface Face {
  update(areas: readonly Area[], marks: readonly Mark[]): void;
  /** Draw everything anew in the colours of the theme. */
  restyle(): void;
  zoom(by: number): void;
  home(): void;
  fly(place: readonly [number, number]): void;
  close(): void;
}

export interface Events {
  open(mark: Mark): void;
  over(mark: Mark | null, x: number, y: number): void;
  idle(): void;
  moved(): void;
}

type Features = FeatureCollection;

const nothing: Features = { type: 'FeatureCollection', features: [] };

function areaFeatures(areas: readonly Area[]): Features {
  return {
    type: 'FeatureCollection',
    features: areas.map((area) => ({
      type: 'Feature',
      properties: { code: area.code, upper: area.upper },
      geometry: { type: 'MultiPolygon', coordinates: area.rings.map((ring) => [ring as [number, number][]]) },
    })),
  };
}

function labelFeatures(areas: readonly Area[]): Features {
  return {
    type: 'FeatureCollection',
    features: areas.map((area) => ({
      type: 'Feature',
      properties: {
        name: area.name,
        short: area.short,
        upper: area.upper,
        order: -(area.size[0] * area.size[1]),
      },
      geometry: { type: 'Point', coordinates: area.label as [number, number] },
    })),
  };
}

function markFeatures(marks: readonly Mark[]): Features {
  return {
    type: 'FeatureCollection',
    features: marks.map((mark) => ({
      type: 'Feature',
      properties: {
        id: mark.id,
        look: lookOf(mark),
        severity: mark.severity ? `sev:${mark.severity}:${mark.received ? 'received' : 'new'}` : '',
        rank: rank(mark),
        small: !mark.air,
      },
      geometry: { type: 'Point', coordinates: mark.place as [number, number] },
    })),
  };
}

function islandFeatures(words: Words): Features {
  return {
    type: 'FeatureCollection',
    features: ISLANDS.flatMap((group) => [
      {
        type: 'Feature' as const,
        properties: { name: words[group.key] },
        geometry: { type: 'Point' as const, coordinates: group.place as [number, number] },
      },
      ...group.dots.map((dot) => ({
        type: 'Feature' as const,
        properties: {},
        geometry: { type: 'Point' as const, coordinates: dot as [number, number] },
      })),
    ]),
  };
}

/** The style; exported so that a test can ask whether the archipelagos are in it. */
export function styleOf(words: Words, scale: number): StyleSpecification {
  const here = (url: string) => new URL(url, location.href).href;
  const leaf: ['!', ['get', string]] = ['!', ['get', 'upper']];
  return {
    version: 8,
    'font-faces': {
      Datlanh: [{ url: here(vietnamese), 'unicode-range': VIETNAMESE }, { url: here(latin) }],
    },
    sources: {
      areas: { type: 'geojson', data: nothing, promoteId: 'code' },
      labels: { type: 'geojson', data: nothing },
      marks: { type: 'geojson', data: nothing },
      islands: { type: 'geojson', data: islandFeatures(words) },
    },
    layers: [
      { id: 'ground', type: 'background', paint: { 'background-color': colour('--map-ground') } },
      {
        id: 'outline',
        type: 'line',
        source: 'areas',
        layout: { 'line-join': 'round' },
        paint: { 'line-color': colour('--map-outline'), 'line-width': 3 * scale },
      },
      {
        id: 'areas',
        type: 'fill',
        source: 'areas',
        paint: { 'fill-color': colour('--map-area'), 'fill-antialias': false },
      },
      {
        id: 'edges',
        type: 'line',
        source: 'areas',
        filter: leaf,
        layout: { 'line-join': 'round' },
        paint: { 'line-color': colour('--map-line'), 'line-width': 0.9 * scale },
      },
      {
        id: 'upper-edges',
        type: 'line',
        source: 'areas',
        filter: ['get', 'upper'],
        layout: { 'line-join': 'round' },
        paint: { 'line-color': colour('--map-outline'), 'line-width': 1.4 * scale },
      },
      {
        id: 'islands',
        type: 'circle',
        source: 'islands',
        maxzoom: 8.5,
        filter: ['!', ['has', 'name']],
        paint: { 'circle-radius': 1.8 * scale, 'circle-color': colour('--text-2') },
      },
      {
        id: 'island-names',
        type: 'symbol',
        source: 'islands',
        maxzoom: 8.5,
        filter: ['has', 'name'],
        layout: {
          'text-field': ['get', 'name'],
          'text-font': ['Datlanh'],
          'text-size': 12 * scale,
          'text-max-width': 8,
          'text-anchor': 'top',
          'text-offset': [0, 1],
          'text-allow-overlap': true,
          'text-ignore-placement': true,
        },
        paint: {
          'text-color': colour('--text'),
          'text-halo-color': colour('--map-ground'),
          'text-halo-width': 1.5,
        },
      },
      {
        id: 'names',
        type: 'symbol',
        source: 'labels',
        filter: leaf,
        minzoom: 8,
        layout: {
          // Far away the short name is enough; near by it is said in full.
          'text-field': ['step', ['zoom'], ['get', 'short'], 11.6, ['get', 'name']],
          'text-font': ['Datlanh'],
          'text-size': ['interpolate', ['linear'], ['zoom'], 8, 9.5 * scale, 10, 11 * scale, 13, 15 * scale],
          'text-max-width': 7,
          'text-line-height': 1.25,
          'text-padding': 3,
          'text-variable-anchor': ['center', 'top', 'bottom'],
          'text-radial-offset': 0.8,
          'symbol-sort-key': ['get', 'order'],
        },
        paint: {
          'text-color': colour('--map-text'),
          'text-halo-color': colour('--map-halo'),
          'text-halo-width': 1.4,
        },
      },
      {
        id: 'upper-names',
        type: 'symbol',
        source: 'labels',
        filter: ['get', 'upper'],
        maxzoom: 10.5,
        layout: {
          'text-field': ['get', 'name'],
          'text-font': ['Datlanh'],
          'text-size': 12.5 * scale,
          'text-max-width': 7,
        },
        paint: {
          'text-color': colour('--text-2'),
          'text-halo-color': colour('--map-halo'),
          'text-halo-width': 1.6,
        },
      },
      {
        id: 'marks',
        type: 'symbol',
        source: 'marks',
        layout: {
          'icon-image': ['get', 'look'],
          'icon-allow-overlap': true,
          'symbol-sort-key': ['get', 'rank'],
        },
      },
      {
        id: 'severities',
        type: 'symbol',
        source: 'marks',
        filter: ['!=', ['get', 'severity'], ''],
        layout: {
          'icon-image': ['get', 'severity'],
          'icon-allow-overlap': true,
          'icon-offset': [
            'case',
            ['get', 'small'],
            ['literal', [0, 0]],
            ['literal', [15 * scale, -13 * scale]],
          ],
          'symbol-sort-key': ['get', 'rank'],
        },
      },
    ],
  };
}

/** Make a map in `container`. Throws where there is no WebGL 2; the SVG twin then stands in. */
export function make(
  container: HTMLElement,
  words: Words,
  events: Events,
  scale: number,
  still: boolean,
): Face {
  let areas: readonly Area[] = [];
  let marks: readonly Mark[] = [];
  let fitted = '';
  const map = new GlMap({
    container,
    style: styleOf(words, scale),
    attributionControl: false,
    fadeDuration: 0,
    interactive: !still,
    minZoom: 3.6,
    maxZoom: 15.5,
    bounds: COUNTRY as unknown as [number, number, number, number],
    maxBounds: [90, -2, 130, 30],
    renderWorldCopies: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    rollEnabled: false,
    // On a phone one finger scrolls the page, two move the map.
    cooperativeGestures: matchMedia('(pointer: coarse)').matches,
    locale: {
      'CooperativeGesturesHandler.WindowsHelpText': words.zoom_hint,
      'CooperativeGesturesHandler.MacHelpText': words.zoom_hint,
      'CooperativeGesturesHandler.MobileHelpText': words.touch_hint,
    },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();

  map.setMissingStyleImageResolver((id) => {
    if (map.hasImage(id)) return;
    const picture = draw(id, scale);
    if (picture) map.addImage(id, picture, { pixelRatio: FINE });
  });

  function box(): Box | null {
    return extent(areas, marks);
  }

  function fit(animate: boolean) {
    const bounds = box();
    if (!bounds) return;
    const { clientWidth: w, clientHeight: h } = container;
    const padding = Math.max(14, Math.min(w, h) * 0.035);
    map.fitBounds(bounds as unknown as [number, number, number, number], { padding, animate, duration: 450 });
  }

  function fill() {
    (map.getSource('areas') as GeoJSONSource | undefined)?.setData(areaFeatures(areas));
    (map.getSource('labels') as GeoJSONSource | undefined)?.setData(labelFeatures(areas));
    (map.getSource('marks') as GeoJSONSource | undefined)?.setData(markFeatures(marks));
  }

  function nearest(x: number, y: number): Mark | null {
    let best: Mark | null = null;
    let least = Infinity;
    for (const mark of marks) {
      const at = map.project(mark.place as [number, number]);
      const distance = Math.hypot(at.x - x, at.y - y) - (mark.air ? 4 : 0) - (mark.severity ? 4 : 0);
      if (distance < least) [best, least] = [mark, distance];
    }
    return least <= 14 * scale ? best : null;
  }

  map.on('load', () => {
    fill();
    map.on('idle', events.idle);
  });
  let touched = false;
  map.on('movestart', (event) => {
    // A change of size comes with something of its own there: only a hand, a wheel or a key counts.
    if ((event as { originalEvent?: unknown }).originalEvent instanceof Event) touched = true;
    events.over(null, 0, 0);
  });
  map.on('moveend', events.moved);
  map.on('resize', () => {
    if (!touched) fit(false);
  });
  if (!still) {
    map.on('click', (event) => {
      const mark = nearest(event.point.x, event.point.y);
      if (mark) events.open(mark);
    });
    map.on('mousemove', (event) => {
      const mark = nearest(event.point.x, event.point.y);
      map.getCanvas().style.cursor = mark ? 'pointer' : '';
      events.over(mark, event.point.x, event.point.y);
    });
    map.on('mouseout', () => events.over(null, 0, 0));
  }

  let loaded = false;
  map.once('load', () => (loaded = true));

  return {
    update(nextAreas, nextMarks) {
      const areasChanged = nextAreas !== areas;
      areas = nextAreas;
      marks = nextMarks;
      const shape = box()?.join() ?? '';
      if (shape && shape !== fitted && !touched) {
        fitted = shape;
        fit(false);
      }
      if (!loaded) return;
      if (areasChanged) fill();
      else (map.getSource('marks') as GeoJSONSource | undefined)?.setData(markFeatures(marks));
    },
    restyle() {
      for (const id of map.listImages()) map.removeImage(id);
      map.setStyle(styleOf(words, scale), { diff: false });
      map.once('styledata', fill);
    },
    zoom(by) {
      touched = true;
      map.zoomTo(map.getZoom() + by, { duration: 200 });
    },
    home() {
      touched = false;
      fit(true);
    },
    fly(place) {
      touched = true;
      map.easeTo({ center: place as [number, number], zoom: Math.max(map.getZoom(), 11.5), duration: 500 });
    },
    close() {
      map.remove();
    },
  };
}
