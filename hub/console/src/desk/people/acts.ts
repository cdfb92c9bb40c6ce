/** Persons and committees as the hub tells them, and what is asked of it. */

import { at, request } from "../../api/client";
import type { Text } from "../../api/types";

export type QualificationState = "good" | "expiring" | "expired";

export interface Qualification {
  kind: string;
  name: Text;
  number: string;
  issued_on: string | null;
  expires_on: string | null;
  state: QualificationState;
}

export interface Contact {
  kind: string;
  value: string;
}

export interface Person {
  person: string;
  name: string;
  account: string | null;
  active: boolean;
  erased: boolean;
  posts: string[];
  qualifications: Qualification[];
  /** In the order of use; null: not ours to see. */
  contacts: Contact[] | null;
}

export interface Committee {
  committee: string;
  name: Text;
  members: { person: string; name: string | null; seat: Seat }[];
  /** It has no chair. */
  vacant: boolean;
}

export const seats = ["chair", "deputy", "secretary", "member"] as const;
export type Seat = (typeof seats)[number];
/** The certificates that the hub knows by name; a school's own kinds stay as they are. */
export const qualificationKinds = [
  "guard_licence",
  "fire_control_operator",
  "first_aid",
  "school_doctor",
  "electrician",
  "special_equipment",
  "health",
  "safety_manager",
] as const;
export const contactKinds = ["mobile", "phone", "sms", "wechat", "email"] as const;

const rank: Record<QualificationState, number> = { expired: 0, expiring: 1, good: 2 };

/** The worst of what a person holds; null: holds nothing. */
export function worstOf(person: Person): QualificationState | null {
  const states = person.qualifications.map((each) => each.state).sort((a, b) => rank[a] - rank[b]);
  return states[0] ?? null;
}

/** Ids go into the journal for ever, so they say nothing of the person. */
export function newPersonId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return `p-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** What is wrong with the certificates as they are typed: the number of the row, and which fault. */
export function faultOfQualifications(
  rows: readonly { kind: string; issued_on: string; expires_on: string }[],
): "none" | "twice" | "order" {
  if (new Set(rows.map((row) => row.kind)).size !== rows.length) return "twice";
  return rows.some((row) => row.issued_on && row.expires_on && row.expires_on < row.issued_on) ? "order" : "none";
}

const people = (site: string) => `${at(site)}/people`;
const one = (site: string, person: string) => `${people(site)}/${encodeURIComponent(person)}`;

export const readPeople = (site: string, erased = false) =>
  request<{ persons: Person[] }>("GET", `${people(site)}${erased ? "?erased=true" : ""}`);
export const savePerson = (site: string, person: string, body: Record<string, unknown>) =>
  request<{ person: string }>("POST", one(site, person), body);
export const erasePerson = (site: string, person: string, reason: string) =>
  request<{ person: string }>("POST", `${one(site, person)}/erase`, { reason });
export const exportPerson = (site: string, person: string, reason: string) =>
  request<Record<string, unknown>>("POST", `${one(site, person)}/export`, { reason });
export const readCommittees = (site: string) =>
  request<{ committees: Committee[] }>("GET", `${at(site)}/committees`);
export const saveCommittee = (site: string, committee: string, body: Record<string, unknown>) =>
  request<{ committee: string }>("POST", `${at(site)}/committees/${encodeURIComponent(committee)}`, body);
export const removeCommittee = (site: string, committee: string) =>
  request<{ committee: string }>("POST", `${at(site)}/committees/${encodeURIComponent(committee)}/remove`);
