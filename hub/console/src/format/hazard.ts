/** Hazards in order of need: overdue, then major, then what is due first. */

import type { HazardView } from "../api/types";

export function sortHazards(hazards: Iterable<HazardView>): HazardView[] {
  return [...hazards].sort(
    (a, b) =>
      Number(b.overdue) - Number(a.overdue) ||
      Number(b.grade === "major") - Number(a.grade === "major") ||
      Date.parse(a.due_at) - Date.parse(b.due_at) ||
      a.hazard - b.hazard,
  );
}
