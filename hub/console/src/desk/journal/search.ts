/** What is looked for in the journal, as the hub is asked and as rows that arrive live are matched. */

import type { JournalRow } from "../../api/types";
import { at, request } from "../../api/client";

export interface Wanted {
  /** A kind, or its beginning up to a full stop. */
  kind: string;
  /** A subject, or its beginning up to a colon. */
  subject: string;
  actor: string;
  peopleOnly: boolean;
  /** ms; null: open. */
  since: number | null;
  to: number | null;
}

export interface Page {
  rows: JournalRow[];
  /** Under which number older rows are; null: there are none. */
  below: number | null;
}

export function searchJournal(site: string, wanted: Wanted, below: number | null): Promise<Page> {
  const query = new URLSearchParams();
  const set = (name: string, value: string | null) => value && query.set(name, value);
  set("kind", wanted.kind);
  set("subject", wanted.subject);
  set("actor", wanted.actor);
  set("people", wanted.peopleOnly ? "true" : "");
  set("from", wanted.since === null ? null : new Date(wanted.since).toISOString());
  set("to", wanted.to === null ? null : new Date(wanted.to).toISOString());
  set("below", below === null ? null : String(below));
  return request<Page>("GET", `${at(site)}/journal/search?${query}`);
}

function fits(value: string, wanted: string, ending: string): boolean {
  return wanted === "" || value === wanted || (wanted.endsWith(ending) && value.startsWith(wanted));
}

export function byPerson(actor: string): boolean {
  return !actor.startsWith("system:") && !actor.startsWith("edge:");
}

/** The hub's own filter, for rows that the stream brings. */
export function matches(row: JournalRow, wanted: Wanted): boolean {
  const time = Date.parse(row.at);
  return (
    fits(row.kind, wanted.kind, ".") &&
    fits(row.subject, wanted.subject, ":") &&
    (wanted.actor === "" || row.actor === wanted.actor) &&
    (!wanted.peopleOnly || byPerson(row.actor)) &&
    (wanted.since === null || time >= wanted.since) &&
    (wanted.to === null || time < wanted.to)
  );
}

/**
 * The rows that were read with those that came since, the newest first. `whole` false: between them rows are
 * missing, because the stream's short memory does not reach back to what was read.
 */
export function withLive(
  read: readonly JournalRow[],
  headAtRead: number,
  live: readonly JournalRow[],
  wanted: Wanted,
): { rows: JournalRow[]; whole: boolean } {
  const newer = live.filter((row) => row.seq > headAtRead);
  const oldest = Math.min(...newer.map((row) => row.seq));
  const known = new Set(read.map((row) => row.seq));
  const fresh = newer.filter((row) => !known.has(row.seq) && matches(row, wanted));
  return { rows: [...fresh, ...read], whole: newer.length === 0 || oldest <= headAtRead + 1 };
}
