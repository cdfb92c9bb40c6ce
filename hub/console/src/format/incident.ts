/** Which incident a screen shows: the selected alarm's own, else the one that has run longest. */

import type { AlarmView, IncidentView } from "../api/types";

export function incidentFor(
  alarm: AlarmView | null,
  incidents: ReadonlyMap<number, IncidentView>,
): IncidentView | null {
  const own = alarm?.incident ? incidents.get(alarm.incident) : undefined;
  if (own) return own;
  const gathering = [...incidents.values()].find((each) => alarm !== null && each.alarms.includes(alarm.alarm));
  if (gathering) return gathering;
  return (
    [...incidents.values()].sort((a, b) => Date.parse(a.triggered_at) - Date.parse(b.triggered_at))[0] ?? null
  );
}
