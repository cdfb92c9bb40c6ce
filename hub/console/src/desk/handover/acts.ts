/** Handing a post over: the list of what is open, its signing and its taking. */

import { at, request } from "../../api/client";
import type { Priority, Text } from "../../api/types";

/** Numbers and ids only: what both sign. A list signed by an older hub may lack the younger parts. */
export interface WorkList {
  alarms?: { alarm: number; priority: Priority; state: string }[];
  hazards?: { hazard: number; grade: string; state: string }[];
  incidents?: { incident: number; plan: string; state: string; exercise: boolean }[];
  commands?: string[];
  silent_devices?: string[];
  /** Isolated at its panel, or faulty. */
  out_of_service?: { device: string; address: string; kind: string }[];
  /** Armed areas, tests, exams, the threat level. */
  modes?: { mode: number; kind: string; subject: string }[];
}

export type HandoverState = "signed" | "acknowledged" | "refused" | "withdrawn";

export interface Handover {
  handover: number;
  post: string;
  post_name: Text;
  state: HandoverState;
  list: WorkList;
  digest: string;
  note: string;
  from_account: string;
  from_name: string | null;
  to_account: string | null;
  to_name: string | null;
  to_person_name: string | null;
  signed_at: string;
  ended_at: string | null;
  reason: string;
}

const base = (site: string) => `${at(site)}/handovers`;
export const readHandovers = (site: string) => request<{ handovers: Handover[] }>("GET", `${base(site)}?limit=50`);
export const readDraft = (site: string) => request<{ list: WorkList; digest: string }>("GET", `${base(site)}/draft`);
export const signHandover = (site: string, post: string, note: string) =>
  request<{ handover: number }>("POST", base(site), { post, note });
export const takeHandover = (site: string, seen: Handover) =>
  request<{ handover: number }>("POST", `${base(site)}/${seen.handover}/acknowledge`, { digest: seen.digest });
export const endHandover = (site: string, handover: number, action: "refuse" | "withdraw", reason: string) =>
  request<{ handover: number }>("POST", `${base(site)}/${handover}/${action}`, { reason });

/** How many things a list names. */
export const sizeOf = (list: WorkList) => Object.values(list).reduce((sum, each) => sum + (Array.isArray(each) ? each.length : 0), 0);

/** What the asker may do with a hand-over: who signed it withdraws, everybody else takes or refuses. */
export function actsOn(handover: Handover, asker: string, may: boolean): ("take" | "refuse" | "withdraw")[] {
  if (handover.state !== "signed" || !may) return [];
  return handover.from_account === asker ? ["withdraw"] : ["take", "refuse"];
}
