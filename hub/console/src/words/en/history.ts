/** Pages with lists. */

import type { history as words } from "../zh/history";

export const history: Record<keyof typeof words, string> = {
  "history.page": "Alarm history",
  "history.open": "Open",
  "history.all": "All",
  "history.priority": "Priority",
  "history.what": "Alarm",
  "history.where": "Place",
  "history.when": "Happened",
  "history.state": "State",
  "history.verification": "Verification",
  "history.by": "Acknowledged by",
  "history.search": "Find an alarm or place",
  "history.none": "No alarm matches",
  "history.loading": "Reading…",
  "history.failed": "Could not be read, so not known: {reason}",
  "history.anyPriority": "Any priority",
  "history.retry": "Read again",
  "history.shown": "{n} shown",
};
