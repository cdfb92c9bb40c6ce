/** What may be done with a hazard in which state; the hub's table decides, this only offers what it would take. */

import { at, request } from "../../api/client";
import type { HazardState, HazardView, JournalRow } from "../../api/types";

export type HazardAct =
  | "confirm"
  | "dismiss"
  | "assign"
  | "begin"
  | "submit"
  | "close"
  | "reject"
  | "defer"
  | "resume"
  | "recur"
  | "measure";

export interface Offer {
  act: HazardAct;
  /** Without a reason the hub refuses it. */
  reason: boolean;
  permission: "hazard.handle" | "hazard.close";
}

const plain = (act: HazardAct): Offer => ({ act, reason: false, permission: "hazard.handle" });
const judged = (act: HazardAct, reason: boolean): Offer => ({ act, reason, permission: "hazard.close" });

const offers: Record<HazardState, Offer[]> = {
  reported: [plain("confirm"), judged("dismiss", true)],
  confirmed: [plain("assign")],
  assigned: [plain("begin")],
  rectifying: [plain("submit"), judged("defer", true)],
  submitted: [judged("close", false), judged("reject", true)],
  deferred: [plain("resume")],
  closed: [plain("recur")],
  dismissed: [],
};

export function offersOf(hazard: HazardView, may: (permission: string) => boolean): Offer[] {
  return offers[hazard.state].filter((offer) => may(offer.permission));
}

/** Days as they are typed, or undefined for none; the form has checked them. */
export function daysOf(text: string): number | undefined {
  return text.trim() === "" ? undefined : Number(text);
}

/** Whether that is no number of days the hub takes (above 0, a year at most). */
export function isNoSpan(text: string): boolean {
  const days = daysOf(text);
  return days !== undefined && !(days > 0 && days <= 365);
}

export interface HazardDetail {
  hazard: HazardView;
  journal: JournalRow[];
}

export const readHazard = (site: string, hazard: number) =>
  request<HazardDetail>("GET", `${at(site)}/hazards/${hazard}`);
export const readHazards = (site: string) =>
  request<{ hazards: HazardView[] }>("GET", `${at(site)}/hazards?state=all&limit=500`);
export const reportHazard = (site: string, body: Record<string, unknown>) =>
  request<{ hazard: HazardView }>("POST", `${at(site)}/hazards`, body);
export const actOnHazard = (site: string, hazard: number, act: HazardAct, body: Record<string, unknown>) =>
  request<{ hazard: HazardView }>("POST", `${at(site)}/hazards/${hazard}/${act}`, body);
