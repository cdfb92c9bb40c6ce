/** Who is logged in, at which station, at which site. */

import { computed, ref } from "vue";
import { api } from "../api/client";
import type { Session } from "../api/types";

const stationKey = "sanfang.station";

export const session = ref<Session | null>(null);
export const site = computed(() => session.value?.sites[0]?.site ?? null);

export function rememberedStation(): string {
  return localStorage.getItem(stationKey) ?? "";
}

export function beginSession(opened: Session, station: string): void {
  localStorage.setItem(stationKey, station);
  session.value = opened;
}

/** Leaves at once on this screen; the hub hears of it when it can. */
export async function endSession(): Promise<void> {
  session.value = null;
  await api.logOut().catch(() => undefined);
}

export function loseSession(): void {
  session.value = null;
}
