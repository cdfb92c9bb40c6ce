/** Which acts an alarm allows now; a refusal is a reason, not a boolean. */

import type { AlarmView, Verification } from "../api/types";
import type { WordKey } from "../words/language";
import { awaitsAcknowledgement } from "./order";

export type Act = "acknowledge" | "verify" | "silence" | "reset";
/** Null: allowed. Otherwise why not. */
export type Refusal = WordKey | null;

export function isDecided(verification: Verification): boolean {
  return verification !== "unverified" && verification !== "verifying";
}

export function refusalOf(act: Act, alarm: AlarmView, sounding: boolean): Refusal {
  if (alarm.state === "closed") return "act.refused.closed";
  switch (act) {
    case "acknowledge":
      return awaitsAcknowledgement(alarm) ? null : "act.refused.acknowledged";
    case "verify":
      return null;
    case "silence":
      if (alarm.silent) return "act.refused.silentAlarm";
      return sounding ? null : "act.refused.quiet";
    case "reset":
      if (awaitsAcknowledgement(alarm)) return "act.refused.notAcknowledged";
      if (alarm.nature === "plain" || alarm.nature === "momentary") return "act.refused.notLatched";
      if (alarm.active === true) return "act.refused.active";
      if (!isDecided(alarm.verification)) return "act.refused.notVerified";
      return alarm.state === "latched" ? null : "act.refused.active";
  }
}

/** The one step that comes next, for the phone's big button; null where there is nothing to do but wait. */
export function nextAct(alarm: AlarmView): Exclude<Act, "silence"> | null {
  if (refusalOf("acknowledge", alarm, false) === null) return "acknowledge";
  if (alarm.state !== "closed" && !isDecided(alarm.verification)) return "verify";
  return refusalOf("reset", alarm, false) === null ? "reset" : null;
}

/** The causes offered with each result of a verification; stored as the code, shown in words. */
export const causes: Record<"real" | "false" | "test" | "drill", readonly string[]> = {
  real: ["fire", "intruder", "violence", "injury", "leak", "equipment", "other"],
  false: ["steam", "dust", "works", "touch", "fault", "other"],
  test: ["routine", "other"],
  drill: ["plan", "other"],
};
export type Result = keyof typeof causes;
export const results: readonly Result[] = ["real", "false", "test", "drill"];
