/** Who is logged in, at which station, at which site. */

import { computed, ref } from "vue";
import { api } from "../api/client";
import type { Session } from "../api/types";

const stationKey = "sanfang.station";

export const session = ref<Session | null>(null);
export const site = computed(() => session.value?.sites[0]?.site ?? null);

/** Whether a role that one holds at this site allows that (`journal.read`). The hub decides; a page only hides what it would refuse. */
export function may(permission: string): boolean {
  const here = session.value?.sites.find((each) => each.site === site.value);
  return here?.roles.some((role) => session.value?.roles[role]?.includes(permission)) ?? false;
}

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
