/** A journal row in a few words. Rows hold ids, never names; the names are this screen's own. */

import { placeOf } from "../alarm/sentence";
import type { DeviceView, HazardView, IncidentView, JournalRow, Text, ZoneView } from "../api/types";
import { commandNames, kindNames } from "../words/kinds";
import { language, said, tMaybe } from "../words/language";

export interface Known {
  hazards: ReadonlyMap<number, HazardView>;
  incidents: ReadonlyMap<number, IncidentView>;
  devices: ReadonlyMap<string, DeviceView>;
  zones: readonly ZoneView[];
}

function textOf(row: JournalRow, key: string): string {
  const value = row.body[key];
  return typeof value === "string" ? value : "";
}

function zoneOf(row: JournalRow, known: Known): string {
  const zone = textOf(row, "zone");
  return said(known.zones.find((each) => each.zone === zone)?.name) || zone;
}

function deviceOf(id: string, known: Known): string {
  const [device = "", address = ""] = id.split(":");
  return [said(known.devices.get(device)?.name) || device, address].join(" ").trim();
}

function kindOf(row: JournalRow, names: Record<string, Text>): string {
  const kind = textOf(row, "kind");
  return said(names[kind]) || kind;
}

/** What the row is about, in words where this screen has them, else its number. */
export function subjectOf(row: JournalRow, known: Known): string {
  const [noun = "", id = ""] = row.subject.split(/:(.*)/);
  switch (noun) {
    case "alarm":
      return [kindOf(row, kindNames) || `#${id}`, zoneOf(row, known)].join(" ").trim();
    case "hazard":
      return [said(known.hazards.get(Number(id))?.title) || `#${id}`, zoneOf(row, known)].join(" ").trim();
    case "incident": {
      const incident = known.incidents.get(Number(id));
      return incident ? `${said(incident.title)} ${placeOf(incident.zone_path.slice(-1), language.value)}` : `#${id}`;
    }
    case "command":
      return [kindOf(row, commandNames), deviceOf(textOf(row, "device"), known)].join(" ").trim();
    case "device":
      return deviceOf(id, known);
    case "account":
    case "session":
      return "";
    default:
      return id || row.subject;
  }
}

export function actOf(row: JournalRow): string {
  return tMaybe(`journal.${row.kind}`, row.kind);
}

/** Persons are named; programs are not worth the room. */
export function actorOf(row: JournalRow): string {
  return row.actor.startsWith("system:") || row.actor.startsWith("edge:") ? "" : (row.actor_name ?? "");
}
