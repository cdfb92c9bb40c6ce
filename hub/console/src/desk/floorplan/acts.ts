/** Floor plans as the hub tells them, and what is asked of it. */

import { at, request } from "../../api/client";
import type { Text } from "../../api/types";
import type { Corner, Spot } from "./placing";

export interface FloorPlan {
  zone: string;
  zone_name: Text;
  /** What a change must have seen. */
  version: number;
  /** Changes with the picture. */
  digest: string;
  width: number;
  height: number;
  zones: { zone: string; corners: Corner[] }[];
  devices: Spot[];
}

const plans = (site: string) => `${at(site)}/floorplans`;
const one = (site: string, zone: string) => `${plans(site)}/${encodeURIComponent(zone)}`;

export const readPlans = (site: string) => request<{ floorplans: FloorPlan[] }>("GET", plans(site));
/** Where the browser finds the picture: another address for each picture. */
export const pictureOf = (site: string, plan: FloorPlan) => `/api/v1${one(site, plan.zone)}/picture?${plan.digest}`;
/** `version` 0: the zone had none. */
export const sendPicture = (site: string, zone: string, version: number, page: number, file: File) =>
  request<{ version: number }>("POST", `${one(site, zone)}/picture?version=${version}&page=${page}`, file);
export const sendPlaces = (
  site: string,
  zone: string,
  body: { version: number; zones: { zone: string; corners: Corner[] }[]; devices: Spot[] },
) => request<{ version: number }>("POST", `${one(site, zone)}/places`, body);
export const removePlan = (site: string, zone: string, version: number, reason: string) =>
  request<{ version: number }>("POST", `${one(site, zone)}/remove`, { version, reason });
