/** Evidence in words: the hub sends what was heard as a flat document; times and names come first, the rest as it is. */

import type { EvidenceView } from "../api/types";
import { said } from "../words/language";

const told = new Set(["id", "event", "kind", "kind_name", "device", "device_name", "address", "address_name"]);
const times = new Set(["observed_at", "recorded_at", "edge_at"]);
const hidden = new Set(["raw", "site", "edge", "zone", "values", "attributes", "active", "late"]);

export interface EvidenceLine {
  /** ISO time of the happening. */
  at: string;
  what: string;
  source: string;
  active: boolean | null;
  pairs: [string, string][];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function named(value: unknown): string {
  if (typeof value === "string") return value;
  return value && typeof value === "object" && "zh" in value ? said(value as { zh: string; en: string }) : "";
}

function pairsOf(body: Record<string, unknown>): [string, string][] {
  return Object.entries(body)
    .filter(([key, value]) => !told.has(key) && !times.has(key) && !hidden.has(key) && value !== null && value !== "")
    .filter(([, value]) => typeof value !== "object")
    .map(([key, value]) => [key, String(value)]);
}

function inner(body: Record<string, unknown>, key: string): Record<string, unknown> {
  const value = body[key];
  return value && typeof value === "object" && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

export function lineOf(evidence: EvidenceView): EvidenceLine {
  const body = evidence.body;
  const active = body["active"];
  return {
    at: text(body["observed_at"]) || evidence.recorded_at,
    what: named(body["kind_name"]) || text(body["kind"]),
    source: [named(body["device_name"]) || text(body["device"]), named(body["address_name"]) || text(body["address"])]
      .filter((part) => part !== "")
      .join(" "),
    active: typeof active === "boolean" ? active : null,
    pairs: [...pairsOf(inner(body, "values")), ...pairsOf(inner(body, "attributes")), ...pairsOf(body)],
  };
}
