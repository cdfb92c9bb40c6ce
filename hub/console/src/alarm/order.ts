/** The order of the alarm list, and how it stands still under a pointer. */

import type { AlarmView, Priority } from "../api/types";

export const priorities: readonly Priority[] = ["critical", "high", "medium", "low"];
const rank: Record<Priority, number> = { critical: 0, high: 1, medium: 2, low: 3 };

/** Does someone still have to say "I have seen it"? */
export function awaitsAcknowledgement(alarm: Pick<AlarmView, "state">): boolean {
  return alarm.state === "unacknowledged" || alarm.state === "returned";
}

/** Priority first; within it the unacknowledged, oldest first; then the rest, oldest first. */
export function compareAlarms(a: AlarmView, b: AlarmView): number {
  return (
    rank[a.priority] - rank[b.priority] ||
    Number(awaitsAcknowledgement(b)) - Number(awaitsAcknowledgement(a)) ||
    Date.parse(a.raised_at) - Date.parse(b.raised_at) ||
    a.alarm - b.alarm
  );
}

/**
 * The ids to show while the order is held: those of `shown` that still exist keep their places,
 * newcomers follow in their own order. Without a hold the order is simply `sorted`.
 */
export function holdOrder(shown: readonly number[], sorted: readonly number[], held: boolean): number[] {
  if (!held) return [...sorted];
  const alive = new Set(sorted);
  const known = new Set(shown);
  return [...shown.filter((id) => alive.has(id)), ...sorted.filter((id) => !known.has(id))];
}

/** The more pressing of two priorities. */
export function moreUrgent(a: Priority | null, b: Priority): Priority {
  return a !== null && rank[a] <= rank[b] ? a : b;
}

/** What to select when `gone` left the list: what now stands in its place, else the last. */
export function successorOf(gone: number, before: readonly number[], after: readonly number[]): number | null {
  const place = before.indexOf(gone);
  const alive = new Set(after);
  const next = before.slice(place + 1).find((id) => alive.has(id));
  return next ?? after[after.length - 1] ?? null;
}
