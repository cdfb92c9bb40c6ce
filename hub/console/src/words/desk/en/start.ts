/** Starting a plan by hand. */

import type { start as words } from "../zh/start";

export const start: Record<keyof typeof words, string> = {
  "start.title": "Start a plan by hand",
  "start.intro": "Its posts are notified at once",
  "start.plan": "Plan",
  "start.zone": "Place",
  "start.wholeSite": "the whole site",
  "start.nature": "What it is",
  "start.real": "a real event",
  "start.drill": "a drill",
  "start.reason": "Grounds",
  "start.reasonHint": "who reported what; it goes into the journal",
  "start.go": "Start the plan",
  "start.goDrill": "Start the drill",
};
