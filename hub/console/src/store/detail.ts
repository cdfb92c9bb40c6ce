/** Evidence and journal of one alarm, fetched when it is looked at and again when it changes. */

import { ref, watch, type Ref } from "vue";
import { api, ApiError } from "../api/client";
import type { AlarmDetail } from "../api/types";
import { site } from "./session";

export type Fetch<Value> =
  | { state: "waiting" }
  | { state: "there"; value: Value }
  | { state: "failed"; reason: string };

/** `version` is whatever changes with the alarm. */
export function useAlarmDetail(alarm: Ref<number | null>, version: Ref<string>): Ref<Fetch<AlarmDetail>> {
  const fetched = ref<Fetch<AlarmDetail>>({ state: "waiting" }) as Ref<Fetch<AlarmDetail>>;
  watch(
    [alarm, version],
    async ([wanted], previous) => {
      if (wanted === null || site.value === null) return;
      if (previous?.[0] !== wanted) fetched.value = { state: "waiting" };
      try {
        const value = await api.alarm(site.value, wanted);
        if (alarm.value === wanted) fetched.value = { state: "there", value };
      } catch (error) {
        const reason = error instanceof ApiError ? error.message || error.code : String(error);
        if (alarm.value === wanted) fetched.value = { state: "failed", reason };
      }
    },
    { immediate: true },
  );
  return fetched;
}
