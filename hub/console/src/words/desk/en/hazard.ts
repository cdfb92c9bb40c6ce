/** Acts on hazards. */

import type { hazard as words } from "../zh/hazard";

export const hazard: Record<keyof typeof words, string> = {
  "panel.hazardsAll": "All hazards",
  "hazard.none": "No hazard fits",
  "hazard.report": "Report a hazard",
  "hazard.what": "What did you see",
  "hazard.whatHint": "for example: desks stacked before the east exit, 2nd floor",
  "hazard.words": "Details",
  "hazard.days": "Days to mend it",
  "hazard.measure": "Interim measure",
  "hazard.measureHint": "what keeps people safe until it is mended",
  "hazard.measureNeeded": "a major hazard needs one before it is assigned (one given before counts)",
  "hazard.act.confirm": "Confirm",
  "hazard.act.dismiss": "Dismiss",
  "hazard.act.assign": "Assign",
  "hazard.act.begin": "Begin",
  "hazard.act.submit": "Submit",
  "hazard.act.close": "Close",
  "hazard.act.reject": "Reject",
  "hazard.act.defer": "Defer",
  "hazard.act.resume": "Resume",
  "hazard.act.recur": "It is back",
  "hazard.act.measure": "Note an interim measure",
};
