/** The roster as the hub tells it, and what is asked of it. */

import { at, request } from "../../api/client";
import type { Text } from "../../api/types";

export interface Standing {
  person: string;
  name: string | null;
  shift: number;
  zone: string | null;
  /** Whose shift it is, where another stands in. */
  instead_of: string | null;
}

/** From `begins` until `ends` the same people; nobody in `standings` is a gap. */
export interface Block {
  begins: string;
  ends: string;
  standings: Standing[];
}

export interface PostWeek {
  post: string;
  name: Text;
  /** The plans that send somebody from this post, and `escalation`. */
  needed_by: string[];
  blocks: Block[];
}

export interface Shift {
  shift: number;
  post: string;
  person: string;
  name: string | null;
  zone: string | null;
  days: number[];
  kinds: string[];
  cycle: { days: number; on: number[]; since: string } | null;
  begins: string;
  ends: string;
  valid_from: string | null;
  valid_to: string | null;
}

export interface Absence {
  absence: number;
  person: string;
  name: string | null;
  begins: string;
  ends: string;
}

export interface Substitution {
  substitution: number;
  post: string | null;
  person: string;
  name: string | null;
  substitute: string;
  substitute_name: string | null;
  begins: string;
  ends: string;
}

export interface RosterWeek {
  time_zone: string;
  begins: string;
  ends: string;
  /** `provisional`: the kind rests on something that nobody has said yet. */
  days: { day: string; kind: string; provisional: boolean }[];
  posts: PostWeek[];
  shifts: Shift[];
  absences: Absence[];
  substitutions: Substitution[];
}

export interface DutyNow {
  at: string;
  posts: { post: string; name: Text; standings: Standing[] }[];
}

export interface Uncovered {
  begins: string;
  ends: string;
  uncovered: {
    post: string;
    name: Text;
    begins: string;
    ends: string;
    needs: { plan: string; title: Text | null; steps: number[] }[];
  }[];
}

interface PersonRef {
  person: string;
  name: string | null;
}

export interface Staffing {
  at: string;
  pupils: number | null;
  boarding: boolean | null;
  guard_posts: string[];
  control_posts: string[];
  rule: Record<string, number>;
  /** null: the school's figures were not entered. */
  head_count: {
    required: number;
    figures: Record<string, number>;
    to_be_verified: string[];
    guards: PersonRef[];
    licensed: PersonRef[];
    missing: number;
  } | null;
  understaffed_now: boolean;
  shortages: { begins: string; ends: string; wanted: number; certified: PersonRef[]; persons: PersonRef[] }[];
}

const roster = (site: string) => `${at(site)}/roster`;
const get = <Answer>(path: string) => request<Answer>("GET", path);

export const readWeek = (site: string, from: string) =>
  get<RosterWeek>(`${roster(site)}?days=7${from ? `&from=${encodeURIComponent(from)}` : ""}`);
export const readDuty = (site: string) => get<DutyNow>(`${roster(site)}/duty`);
export const readUncovered = (site: string) => get<Uncovered>(`${roster(site)}/uncovered?hours=24`);
export const readStaffing = (site: string) => get<Staffing>(`${at(site)}/staffing`);

export type Entry = "shifts" | "absences" | "substitutions";
/** A new entry, or what an entry becomes (only shifts change). */
export const saveEntry = (site: string, entry: Entry, number: number | null, body: Record<string, unknown>) =>
  request<{ number: number }>("POST", `${roster(site)}/${entry}${number === null ? "" : `/${number}`}`, body);
export const removeEntry = (site: string, entry: Entry, number: number) =>
  request<{ number: number }>("POST", `${roster(site)}/${entry}/${number}/remove`);
export const saveStaffing = (site: string, body: Record<string, unknown>) =>
  request<{ site: string }>("POST", `${at(site)}/staffing`, body);
