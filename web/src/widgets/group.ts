/** Alarms gathered by cause when there are many: the urgent ones always stand alone. */
import type { AlarmRow } from '../api/shapes.ts';

export type Line = { id: string; alarms: AlarmRow[] };

const FEW = 8;
const LEAST = 3;

/** Lines of a list in the order given; a group stands where its first alarm stood. */
export function grouped(alarms: readonly AlarmRow[]): Line[] {
  if (alarms.length <= FEW) return alarms.map((alarm) => ({ id: alarm.id, alarms: [alarm] }));
  const cause = (alarm: AlarmRow) =>
    alarm.severity === 1 ? alarm.id : `${alarm.severity} ${alarm.title} ${alarm.state === 'acknowledged'}`;
  const of = new Map<string, AlarmRow[]>();
  for (const alarm of alarms) of.set(cause(alarm), [...(of.get(cause(alarm)) ?? []), alarm]);
  const told = new Set<string>();
  return alarms.flatMap((alarm) => {
    const name = cause(alarm);
    const group = of.get(name) ?? [alarm];
    if (group.length < LEAST) return [{ id: alarm.id, alarms: [alarm] }];
    if (told.has(name)) return [];
    told.add(name);
    return [{ id: name, alarms: group }];
  });
}
