/** A journal row in a few words. */

import type { AlarmView, HazardView, IncidentView, JournalRow } from "../api/types";
import { said, tMaybe } from "../words/language";

export interface Known {
  alarms: ReadonlyMap<number, AlarmView>;
  hazards: ReadonlyMap<number, HazardView>;
  incidents: ReadonlyMap<number, IncidentView>;
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (value && typeof value === "object" && "zh" in value) return said(value as { zh: string; en: string });
  return "";
}

/** What the row is about: the thing's name where this screen knows it, else its number. */
export function subjectOf(row: JournalRow, known: Known): string {
  const [noun, id] = row.subject.split(/:(.*)/);
  const body = row.body;
  const inBody = textOf(body["kind_name"]) || textOf(body["title"]) || textOf(body["name"]);
  const place = textOf(body["zone_name"]) || textOf(body["device_name"]);
  if (inBody) return [inBody, place].filter(Boolean).join(" ");
  if (noun === "alarm") {
    const alarm = known.alarms.get(Number(id));
    if (alarm) return `${said(alarm.kind_name)} ${said(alarm.zone_path.at(-1))}`.trim();
  }
  if (noun === "hazard") return said(known.hazards.get(Number(id))?.title) || `#${id}`;
  if (noun === "incident") return said(known.incidents.get(Number(id))?.title) || `#${id}`;
  return noun === "alarm" ? `#${id}` : (id ?? row.subject);
}

export function actOf(row: JournalRow): string {
  return tMaybe(`journal.${row.kind}`, row.kind);
}

/** Persons are named; programs are not worth the room. */
export function actorOf(row: JournalRow): string {
  return row.actor.startsWith("system:") || row.actor.startsWith("edge:") ? "" : (row.actor_name ?? "");
}
