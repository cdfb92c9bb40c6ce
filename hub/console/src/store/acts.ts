/** The acts of the person at this screen: sent, awaited, never shown as done before the hub says so. */

import { reactive, ref, watch } from "vue";
import { refusalOf, type Act, type Refusal } from "../alarm/act";
import { api, ApiError } from "../api/client";
import type { AlarmView, Verification } from "../api/types";
import { keyOf } from "../sound/policy";
import { t } from "../words/language";
import { may, session, site } from "./session";
import { selected } from "./selection";
import { applyAlarm, reach, state } from "./site";
import { silenceStation, sounding } from "./sound";

/** Acts under way: alarm → act. */
export const pending = reactive(new Map<number, Act>());
/** The last act's failure or refusal, in words; empty: none. */
export const notice = ref("");

watch(selected, () => (notice.value = ""));

export function reasonOf(act: Act, error: unknown): string {
  const refused = error instanceof ApiError ? error : null;
  const name = t(`act.${act}`);
  if (refused?.status === 0) return t("act.failed", { act: name, reason: t("act.failed.unreachable") });
  if (refused?.status === 409) {
    return t("act.failed", { act: name, reason: refused.message || t("act.failed.moved") });
  }
  return t("act.failed", { act: name, reason: refused?.message ?? String(error) });
}

async function perform(act: Act, alarm: AlarmView, send: (site: string) => Promise<AlarmView>): Promise<boolean> {
  if (site.value === null || pending.has(alarm.alarm)) return false;
  pending.set(alarm.alarm, act);
  notice.value = "";
  try {
    const where = site.value;
    const answer = await send(where);
    // Another site may be on the screen by now, with alarms of the same numbers.
    if (where === site.value) applyAlarm(answer);
    return true;
  } catch (error) {
    notice.value = reasonOf(act, error);
    if (error instanceof ApiError) {
      const present = error.body?.["alarm"];
      if (present) applyAlarm(present as AlarmView);
      if (error.status === 401) session.value = null;
    }
    return false;
  } finally {
    pending.delete(alarm.alarm);
  }
}

/** Why this act is not to be done now, by this person; null: it may be. Quieting one's own station is everyone's. */
export function refusalHere(act: Act, alarm: AlarmView): Refusal {
  if (act !== "silence" && !may(`alarm.${act}`)) return "act.refused.notYours";
  return refusalOf(act, alarm, sounding.value.audible.has(keyOf(alarm)));
}

function refused(act: Act, alarm: AlarmView): boolean {
  const why = refusalHere(act, alarm);
  if (why !== null) notice.value = t("act.refused", { act: t(`act.${act}`), reason: t(why) });
  return why !== null;
}

export async function acknowledge(alarm: AlarmView): Promise<boolean> {
  if (refused("acknowledge", alarm)) return false;
  return perform("acknowledge", alarm, (where) => api.acknowledge(where, alarm));
}

export async function verify(alarm: AlarmView, result: Verification, cause: string): Promise<boolean> {
  if (refused("verify", alarm)) return false;
  return perform("verify", alarm, (where) => api.verify(where, alarm, result, cause));
}

export async function reset(alarm: AlarmView): Promise<boolean> {
  if (refused("reset", alarm)) return false;
  return perform("reset", alarm, (where) => api.reset(where, alarm));
}

/** Quiet at once at this station, then told to the hub for the journal. Works without the hub, too. */
export async function silence(): Promise<void> {
  const keys = silenceStation();
  if (site.value === null || reach.value === "blind") return;
  for (const key of keys) {
    const alarm = state.alarms.get(Number(key.replace("alarm:", "")));
    if (alarm) await api.silence(site.value, alarm).catch(() => undefined);
  }
}
