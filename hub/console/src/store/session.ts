/** Who is logged in, at which station, at which site. */

import { computed, ref } from "vue";
import { api } from "../api/client";
import type { Session } from "../api/types";

const stationKey = "sanfang.station";
const siteKey = "sanfang.site";

export const session = ref<Session | null>(null);
/** A log-in whose second step is to come; nothing else works until then. */
export const awaited = ref<Session | null>(null);
/** The site that was chosen at this screen; each tab keeps its own, a new one begins with the last that was chosen. */
const chosen = ref(sessionStorage.getItem(siteKey) ?? localStorage.getItem(siteKey) ?? "");
/** The site that is shown: the chosen one while it is in one's area, else the first. */
export const site = computed(() => {
  const sites = session.value?.sites ?? [];
  return (sites.find((each) => each.site === chosen.value) ?? sites[0])?.site ?? null;
});

export function chooseSite(wanted: string): void {
  chosen.value = wanted;
  sessionStorage.setItem(siteKey, wanted);
  localStorage.setItem(siteKey, wanted);
}

/** Whether a role that one holds at this site allows that (`journal.read`). The hub decides; a page only hides what it would refuse. */
export function may(permission: string): boolean {
  const here = session.value?.sites.find((each) => each.site === site.value);
  return here?.roles.some((role) => session.value?.roles[role]?.includes(permission)) ?? false;
}

/** Whether a role that one holds anywhere allows that. */
export function mayAnywhere(permission: string): boolean {
  return Object.values(session.value?.roles ?? {}).some((allowed) => allowed.includes(permission));
}

export function rememberedStation(): string {
  return localStorage.getItem(stationKey) ?? "";
}

export function beginSession(opened: Session, station: string): void {
  localStorage.setItem(stationKey, station);
  const waits = opened.second_factor.state === "awaited";
  awaited.value = waits ? opened : null;
  session.value = waits ? null : opened;
}

/** Leaves at once on this screen; the hub hears of it when it can. */
export async function endSession(): Promise<void> {
  session.value = null;
  awaited.value = null;
  await api.logOut().catch(() => undefined);
}

export function loseSession(): void {
  session.value = null;
}
