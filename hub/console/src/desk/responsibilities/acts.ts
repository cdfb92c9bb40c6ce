/** Who answers for what: the matrix as the hub tells it, its cells, and what is asked of the hub. */

import { at, request } from "../../api/client";
import type { Text } from "../../api/types";

/** Safety as a whole: who has it answers for every duty that nobody has by name. */
export const whole = "safety";
export type Rank = "first" | "deputy";

/** `zone` null: the whole site. */
export interface Entry {
  responsibility: number;
  zone: string | null;
  duty: string;
  person: string;
  name: string | null;
  rank: Rank;
  valid_from: string | null;
  valid_to: string | null;
}

export interface Matrix {
  duties: { duty: string; name: Text }[];
  entries: Entry[];
  /** The zones for which nobody answers today, for the duty that was asked for. */
  unanswered: string[];
}

interface Answerable {
  person: string;
  name: string | null;
  /** Where it is whom the roster has there, not the matrix. */
  post: string | null;
  post_name: Text | null;
}

/** `zone`: where the responsibility lies; `duty`: that very one, or safety as a whole. */
export interface Answer {
  at: string;
  zone: string | null;
  duty: string;
  reachable: Answerable[];
  away: Answerable[];
}

const base = (site: string) => `${at(site)}/responsibilities`;
export const readMatrix = (site: string, duty: string) =>
  request<Matrix>("GET", `${base(site)}?duty=${encodeURIComponent(duty)}`);
export const readAnswer = (site: string, zone: string | null, duty: string) =>
  request<Answer>(
    "GET",
    `${base(site)}/answer?duty=${encodeURIComponent(duty)}${zone === null ? "" : `&zone=${encodeURIComponent(zone)}`}`,
  );
export const saveEntry = (site: string, number: number | null, body: Omit<Entry, "responsibility" | "name">) =>
  request<{ responsibility: number }>("POST", `${base(site)}${number === null ? "" : `/${number}`}`, body);
export const removeEntry = (site: string, number: number) =>
  request<{ responsibility: number }>("POST", `${base(site)}/${number}/remove`);

/** Whether an entry holds on a day (`2026-03-01`), the first and the last day included. */
export const holds = (entry: Entry, day: string) =>
  (entry.valid_from === null || entry.valid_from <= day) && (entry.valid_to === null || day <= entry.valid_to);

export interface Cell {
  /** Entered for this very zone and duty, the first ones before deputies; also those that do not hold today. */
  own: Entry[];
  /** Where none of its own holds today: those of the nearest place around it that has some. */
  inherited: Entry[];
}

const order = (a: Entry, b: Entry) => Number(a.rank === "deputy") - Number(b.rank === "deputy") || a.responsibility - b.responsibility;

/** One cell of the matrix; `parents`: zone → the zone around it, null at the outermost. */
export function cellOf(
  entries: readonly Entry[],
  parents: ReadonlyMap<string, string | null>,
  zone: string | null,
  duty: string,
  day: string,
): Cell {
  const of = (where: string | null) => entries.filter((each) => each.zone === where && each.duty === duty).sort(order);
  const own = of(zone);
  if (zone === null || own.some((each) => holds(each, day))) return { own, inherited: [] };
  const seen = new Set<string | null>([zone]);
  let around: string | null = parents.get(zone) ?? null;
  for (;;) {
    const there = of(around).filter((each) => holds(each, day));
    if (there.length > 0 || around === null || seen.has(around)) return { own, inherited: there };
    seen.add(around);
    around = parents.get(around) ?? null;
  }
}
