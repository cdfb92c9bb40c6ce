/** Zones and devices of a site as the hub tells them, their versions, and what is asked of it. */

import { ApiError, at, request } from "../../api/client";
import type { Text } from "../../api/types";
import { t } from "../../words/desk";

export interface Zone {
  zone: string;
  parent: string | null;
  name: Text;
  class: "key" | "sensitive" | "general";
  kind: "building" | "floor" | "room" | "outdoor";
  key_location: string | null;
}

export interface Device {
  device: string;
  name: Text;
  family: string;
  zone: string;
  edge: string;
  connection: string;
  profile: string;
  address: string | null;
  addresses: Record<string, { zone: string | null; name: Text | null }>;
  /** null: not ours to see. */
  parameters: Record<string, string | number | boolean> | null;
  writes: string[];
  notes: string;
}

export interface Places {
  version: number;
  at: string;
  actor: string;
  name: Text;
  area: string[];
  time_zone: string;
  zones: Zone[];
  devices: Device[];
  gateways: { edge: string; name: Text; connections: string[] }[];
  choices: { families: Record<string, Text>; profiles: string[]; writes: string[]; key_locations: Record<string, Text> };
}

export interface Version {
  version: number;
  at: string;
  actor: string;
  by: string | null;
  source: "file" | "start" | "console" | "import" | "revert" | "schema";
  reason: string;
}

export interface Difference {
  noun: "site" | "zone" | "device" | "post";
  name: string;
  change: "added" | "removed" | "changed" | "order";
  fields: { field: string; before: unknown; after: unknown }[];
}

export interface Change {
  version: number;
  changed: boolean;
}

export const zoneKinds = ["building", "floor", "room", "outdoor"] as const;
export const zoneClasses = ["key", "sensitive", "general"] as const;

/** A zone with what lies in it; `depth` from 0. */
export interface Branch {
  zone: Zone;
  depth: number;
  devices: Device[];
  branches: Branch[];
}

/** The zones as a tree, in their order. A zone whose parent is unknown stands outermost: nothing is hidden. */
export function treeOf(zones: readonly Zone[], devices: readonly Device[]): Branch[] {
  const known = new Set(zones.map((each) => each.zone));
  const below = (parent: string | null, depth: number): Branch[] =>
    zones
      .filter((each) => (each.parent !== null && known.has(each.parent) ? each.parent : null) === parent)
      .map((zone) => ({
        zone,
        depth,
        devices: devices.filter((each) => each.zone === zone.zone),
        branches: below(zone.zone, depth + 1),
      }));
  return below(null, 0);
}

/** A tree's branches one below the other; of `wanted` words only what has them, with the zones around it. */
export function rowsOf(branches: readonly Branch[], wanted: string): Branch[] {
  const words = wanted.trim().toLowerCase();
  return branches.flatMap((branch) => {
    const inner = rowsOf(branch.branches, wanted);
    if (words === "" || has(branch.zone.zone, branch.zone.name, words)) return [branch, ...inner];
    const devices = branch.devices.filter((each) => has(each.device, each.name, words));
    return devices.length + inner.length > 0 ? [{ ...branch, devices }, ...inner] : [];
  });
}

function has(id: string, name: Text, words: string): boolean {
  return `${id} ${name.zh} ${name.en}`.toLowerCase().includes(words);
}

/** A zone and all that lies in it: where it cannot be moved to. */
export function within(zones: readonly Zone[], zone: string): Set<string> {
  const found = new Set([zone]);
  for (let grown = true; grown; ) {
    const size = found.size;
    for (const each of zones) if (each.parent !== null && found.has(each.parent)) found.add(each.zone);
    grown = found.size > size;
  }
  return found;
}

/** The siblings of a zone, it among them, in their order. */
export function siblingsOf(zones: readonly Zone[], zone: Zone): string[] {
  return zones.filter((each) => each.parent === zone.parent).map((each) => each.zone);
}

/** What is wrong with a new name; empty: nothing. */
export function faultOfName(name: string, taken: readonly string[]): "" | "name" | "taken" {
  if (!/^[a-z0-9][a-z0-9_.-]{0,62}$/.test(name)) return "name";
  return taken.includes(name) ? "taken" : "";
}

/** What somebody typed for a parameter: a number or yes and no where it is one, else text. */
export function valueOf(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return /^-?(0|[1-9]\d{0,14})(\.\d{1,9})?$/.test(text) ? Number(text) : text;
}

/**
 * The version on which a form that was opened at `opened` is saved: the present one as long as nobody changed its
 * entry, else the old one, on which the hub refuses it.
 */
export function seenBy<Entry>(was: Entry | null, now: Entry | undefined, opened: number, present: number): number {
  return was === null || JSON.stringify(was) === JSON.stringify(now) ? present : opened;
}

/** A value of a version, as it is shown beside another. */
export function shown(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}

const places = (site: string) => `${at(site)}/places`;
const versions = (site: string) => `${at(site)}/versions`;
const one = (site: string, noun: "zones" | "devices", name: string) => `${places(site)}/${noun}/${encodeURIComponent(name)}`;

async function change(path: string, body: Record<string, unknown>): Promise<Change> {
  try {
    return await request<Change>("POST", path, body);
  } catch (error) {
    if (error instanceof ApiError && error.code === "moved") throw new ApiError(error.status, error.code, t("places.moved"));
    throw error;
  }
}

export const readPlaces = (site: string) => request<Places>("GET", places(site));

export const saveZone = (site: string, version: number, zone: Zone, fresh: boolean) =>
  change(fresh ? `${places(site)}/zones` : one(site, "zones", zone.zone), { version, zone });

export const moveZone = (site: string, version: number, zone: Zone, after: string | null) =>
  change(`${one(site, "zones", zone.zone)}/move`, { version, parent: zone.parent, after });

export const saveDevice = (site: string, version: number, device: Device, fresh: boolean) =>
  change(fresh ? `${places(site)}/devices` : one(site, "devices", device.device), { version, device });

export const remove = (site: string, version: number, noun: "zones" | "devices", name: string, reason: string) =>
  change(`${one(site, noun, name)}/remove`, { version, reason });

export const moveSite = (site: string, version: number, area: string[], reason: string) =>
  change(`${places(site)}/area`, { version, area, reason });

export const readVersions = (site: string, before: number | null) =>
  request<{ versions: Version[]; next: number | null }>("GET", `${versions(site)}${before === null ? "" : `?before=${before}`}`);

export const readDifferences = (site: string, version: number, against: number | null) =>
  request<{ before: number; after: number; differences: Difference[] }>(
    "GET",
    `${versions(site)}/${version}/differences${against === null ? "" : `?against=${against}`}`,
  );

export const revert = (site: string, seen: number, version: number, reason: string) =>
  change(`${versions(site)}/${version}/revert`, { version: seen, reason });

export const yamlOf = (site: string, version: number) => `/api/v1${versions(site)}/${version}/document.yaml`;
