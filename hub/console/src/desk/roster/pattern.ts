/** On which days a shift begins: on weekdays, or on some days of a cycle that goes on and on. */

import type { Shift } from "./acts";

export const dayKinds = ["school", "makeup", "exam", "weekend", "holiday", "vacation"] as const;
export const longestCycle = 31;

export interface Pattern {
  rotates: boolean;
  /** ISO weekdays, 1 Monday. */
  days: Set<number>;
  /** The days of the cycle, 1 its first. */
  on: Set<number>;
  length: number;
  since: string;
}

/** As a form shows it; the hub counts the days of a cycle from 0. */
export function patternOf(shift: Shift | null, today: string): Pattern {
  return {
    rotates: Boolean(shift?.cycle),
    days: new Set(shift?.days ?? [1, 2, 3, 4, 5, 6, 7]),
    on: new Set((shift?.cycle?.on ?? [0]).map((day) => day + 1)),
    length: shift?.cycle?.days ?? 4,
    since: shift?.cycle?.since ?? today,
  };
}

/** What keeps it from being sent. */
export function faultOfPattern(pattern: Pattern): "none" | "days" | "length" | "since" {
  if (!pattern.rotates) return pattern.days.size === 0 ? "days" : "none";
  // A cycle that came by a file may be longer than a form offers; it stays what it is.
  if (!Number.isInteger(pattern.length) || pattern.length < 1 || pattern.length > 366) return "length";
  if (![...pattern.on].some((day) => day <= pattern.length)) return "days";
  return pattern.since === "" ? "since" : "none";
}

/** As the hub takes it: days that a shortened cycle no longer has are left out. */
export function bodyOf(pattern: Pattern): Pick<Shift, "days" | "cycle"> {
  const sorted = (days: Iterable<number>) => [...days].sort((a, b) => a - b);
  const on = sorted(pattern.on).filter((day) => day <= pattern.length);
  return {
    // Beside a cycle the weekdays do not count, and the hub wants some.
    days: pattern.days.size > 0 ? sorted(pattern.days) : [1, 2, 3, 4, 5, 6, 7],
    cycle: pattern.rotates ? { days: pattern.length, on: on.map((day) => day - 1), since: pattern.since } : null,
  };
}
