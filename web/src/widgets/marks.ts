/** Stations and alarms made into marks of a map. */
import type { AlarmRow, Severity, StationBrief } from '../api/shapes.ts';
import { quantity } from '../i18n/format.ts';
import { say, t } from '../i18n/words.svelte.ts';
import { open } from '../live/rows.ts';
import type { Mark } from '../map/model.ts';

const ROUND = new Set(['WastewaterObserved', 'WaterQualityObserved', 'GroundwaterObserved']);

/** What a station says of itself in a line: index and band, or its headline, or that it is silent. */
export function aboutStation(station: StationBrief): string {
  if (station.state === 'silent') return t('web.station_state.silent');
  if (station.aqi !== null) {
    return t('web.aqi.said', {
      value: station.aqi,
      band: say(`web.aqi.${station.aqi_band}`, station.aqi_band ?? ''),
    });
  }
  const head = station.headline;
  if (head && head.value !== null) return `${head.title} ${quantity(head.value, head.unit)}`;
  return t('web.station_state.unknown');
}

export function stationHref(id: string): string {
  return `/stations/${encodeURIComponent(id)}`;
}

/** The marks of stations; the most urgent open alarm at each stands beside it. */
export function marksOf(
  stations: readonly StationBrief[],
  alarms: readonly AlarmRow[],
  chosen: string | null = null,
  hrefOf: (id: string) => string = stationHref,
): Mark[] {
  const urgent = new Map<string, AlarmRow>();
  for (const alarm of alarms) {
    const entity = alarm.subject.entity;
    if (!entity || !open(alarm)) continue;
    const other = urgent.get(entity);
    if (!other || alarm.severity < other.severity) urgent.set(entity, alarm);
  }
  return stations.flatMap((station) => {
    if (!station.place) return [];
    const alarm = urgent.get(station.id);
    return [
      {
        id: station.id,
        name: station.name,
        place: station.place as unknown as readonly [number, number],
        href: hrefOf(station.id),
        aqi: station.aqi,
        band: station.aqi_band,
        air: station.type === 'AirQualityObserved',
        shape: ROUND.has(station.type) ? ('round' as const) : ('square' as const),
        state: station.state,
        severity: (alarm?.severity ?? null) as Severity | null,
        received: alarm ? alarm.state !== 'unacknowledged' : false,
        chosen: station.id === chosen,
        about: alarm ? alarm.title : aboutStation(station),
      },
    ];
  });
}
