/** Incidents: which one a screen shows, and what may be done with it. */

import type { AlarmView, IncidentState, IncidentView } from "../api/types";
import type { WordKey } from "../words/language";

export interface Offer {
  action: string;
  word: WordKey;
  /** Without a reason it is refused. */
  reason: boolean;
}

/** What may be done in which state; closing locks nothing and needs a reason. */
const offers: Partial<Record<IncidentState, Offer[]>> = {
  proposed: [
    { action: "start", word: "incident.start", reason: false },
    { action: "dismiss", word: "incident.dismiss", reason: true },
  ],
  triggered: [
    { action: "respond", word: "incident.respond", reason: false },
    { action: "dismiss", word: "incident.dismiss", reason: true },
  ],
  responding: [
    { action: "contain", word: "incident.contain", reason: false },
    { action: "dismiss", word: "incident.dismiss", reason: true },
  ],
  contained: [
    { action: "flare_up", word: "incident.flareUp", reason: false },
    { action: "close", word: "incident.close", reason: true },
  ],
  suspended: [
    { action: "resume", word: "incident.resume", reason: false },
    { action: "dismiss", word: "incident.dismiss", reason: true },
  ],
  closed: [{ action: "review", word: "incident.review", reason: true }],
};
const running = new Set<IncidentState>(["triggered", "responding", "contained"]);

export function offersOf(incident: IncidentView, may: (permission: string) => boolean): Offer[] {
  const offered = may("incident.handle") ? [...(offers[incident.state] ?? [])] : [];
  if (!running.has(incident.state)) return offered;
  if (incident.exercise && may("incident.handle")) {
    offered.push({ action: "suspend", word: "incident.suspend", reason: true });
  }
  // A release goes at the commander's rank: it is named by who asked for it, and why.
  if (may("incident.release")) offered.push({ action: "release", word: "incident.release", reason: true });
  return offered;
}

/** The selected alarm's own incident, else the one that has run longest. */

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
