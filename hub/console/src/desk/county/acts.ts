/** All schools of an area as the hub tells them, the worst first. */

import { request } from "../../api/client";
import type { Text } from "../../api/types";

export type Link = "online" | "partial" | "offline" | "unknown";

export interface AlarmCounts {
  critical: number;
  high: number;
  medium: number;
  low: number;
  unacknowledged: number;
}

export interface HazardCounts {
  open: number;
  major: number;
  overdue: number;
}

export interface School {
  site: string;
  name: Text;
  /** City, county. */
  area: string[];
  link: Link;
  edges: number;
  edges_online: number;
  heard_at: string | null;
  alarms: AlarmCounts;
  hazards: HazardCounts;
  incidents: number;
  devices: { total: number; online: number; offline: number; unknown: number };
}

/** `schools` is the page; everything else is about all schools of the area. */
export interface County {
  at: string;
  areas: string[][];
  total: number;
  links: Record<Link, number>;
  alarms: AlarmCounts;
  hazards: HazardCounts;
  incidents: number;
  schools: School[];
}

export const pageSize = 100;

export function readCounty(area: readonly string[], offset: number): Promise<County> {
  const query = new URLSearchParams(area.map((part): [string, string] => ["area", part]));
  query.set("offset", String(offset));
  query.set("limit", String(pageSize));
  return request("GET", `/county?${query.toString()}`);
}
