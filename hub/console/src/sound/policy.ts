/** What this station should sound now, and why. Pure; the horn only obeys. */

import { awaitsAcknowledgement, moreUrgent } from "../alarm/order";
import type { AlarmView, Priority, UnreceiptedItem } from "../api/types";
import type { PatternName } from "./pattern";

/** Whether the browser lets us: `off` before anyone pressed, `blocked` when the browser refuses. */
export type Armament = "armed" | "off" | "blocked";
export type SoundState = Armament | "silenced";

/** What was silenced at this station: id → the signature it had. Any change of it sounds again. */
export type Silences = ReadonlyMap<string, string>;

/** A repeat of an acknowledged fire or panic alarm is announced for this long. */
export const announceMs = 15_000;
const soundsAgain = ["fire.", "panic.", "medical.", "gas.", "co."];

export const lostKey = "lost";
export const keyOf = (alarm: AlarmView): string => `alarm:${alarm.alarm}`;
export const keyOfItem = (item: UnreceiptedItem): string => `item:${item.id}`;

/** Changes with every new raise, escalation or rise of priority, and with nothing else. */
export function signatureOf(alarm: AlarmView): string {
  const awaits = awaitsAcknowledgement(alarm) ? "awaits" : "seen";
  return [alarm.last_raised_at, alarm.occurrences, alarm.priority, alarm.escalation_level, awaits].join("|");
}

/** Duress must stay unheard at the scene even before the hub has judged it. */
function isSilentItem(item: UnreceiptedItem): boolean {
  return item.kind.endsWith(".duress");
}

function wantsSound(alarm: AlarmView, now: number): boolean {
  if (alarm.silent || alarm.state === "closed") return false;
  if (awaitsAcknowledgement(alarm)) return true;
  if (alarm.acknowledged_at === null || !soundsAgain.some((prefix) => alarm.kind.startsWith(prefix))) return false;
  const raised = Date.parse(alarm.last_raised_at);
  return raised > Date.parse(alarm.acknowledged_at) && now - raised < announceMs;
}

export interface Situation {
  alarms: readonly AlarmView[];
  unreceipted: readonly UnreceiptedItem[];
  /** Key of the blindness this screen is in (say, since when); null: it sees. */
  blindness: string | null;
  silences: Silences;
  now: number;
}

export interface Sounding {
  pattern: PatternName | null;
  /** Everything that would sound, with the signature to silence it by. */
  audible: Map<string, string>;
  /** Something would sound, and all of it is silenced. */
  allSilenced: boolean;
}

export function decideSound(situation: Situation): Sounding {
  const audible = new Map<string, string>();
  let urgent: Priority | null = null;
  let wanting = 0;
  const consider = (key: string, signature: string, priority: Priority | null) => {
    wanting += 1;
    if (situation.silences.get(key) === signature) return;
    audible.set(key, signature);
    if (priority !== null) urgent = moreUrgent(urgent, priority);
  };
  for (const alarm of situation.alarms) {
    if (wantsSound(alarm, situation.now)) consider(keyOf(alarm), signatureOf(alarm), alarm.priority);
  }
  for (const item of situation.unreceipted) {
    if (item.active !== false && !isSilentItem(item)) consider(keyOfItem(item), item.id, item.priority);
  }
  if (situation.blindness !== null) consider(lostKey, situation.blindness, null);
  const pattern = urgent ?? (audible.has(lostKey) ? "lost" : null);
  return { pattern, audible, allSilenced: wanting > 0 && audible.size === 0 };
}

/** What the top bar says. */
export function soundStateOf(armament: Armament, sounding: Sounding): SoundState {
  return armament === "armed" && sounding.allSilenced ? "silenced" : armament;
}
