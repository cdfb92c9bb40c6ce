/** Accounts as the hub tells them to those who administer them, and what is asked of it. */

import { request } from "../../api/client";

export const roles = [
  "operator",
  "guard",
  "safety_officer",
  "principal",
  "maintenance",
  "bureau",
  "integrator",
  "administrator",
  "auditor",
] as const;
export type Role = (typeof roles)[number];

/** At one site, over an area ([city], [city, county]), or everywhere (no site, empty area). */
export interface Reach {
  site: string | null;
  area: string[];
}

export interface Grant extends Reach {
  role: Role;
  granted_by: string;
  granted_at: string;
  /** Whether one may take it. */
  yours: boolean;
}

export interface Account {
  account: string;
  name: string;
  display_name: string;
  state: "invited" | "active" | "disabled";
  created_at: string;
  disabled_at: string | null;
  /** A link is out, and until when it works. */
  invited_until: string | null;
  used_at: string | null;
  second_factors: string[];
  grants: Grant[];
  own: boolean;
  /** Whether one may change the account itself. */
  yours: boolean;
}

export interface Invitation {
  account: string;
  /** Shown once. */
  token: string;
  expires_at: string;
}

export interface AccountSession {
  session: string;
  station: string;
  address: string;
  opened_at: string;
  used_at: string;
  phone: string | null;
}

const one = (account: string) => `/accounts/${encodeURIComponent(account)}`;
const body = (role: Role, reach: Reach) => ({ role, site: reach.site, area: reach.area });

export const readAccounts = () => request<{ accounts: Account[] }>("GET", "/accounts");
export const inviteAccount = (name: string, display_name: string, role: Role, reach: Reach) =>
  request<Invitation>("POST", "/accounts", { name, display_name, grants: [body(role, reach)] });
export const inviteAgain = (account: string) => request<Invitation>("POST", `${one(account)}/invite`);
export const disableAccount = (account: string) => request<Account>("POST", `${one(account)}/disable`);
export const enableAccount = (account: string) => request<Account>("POST", `${one(account)}/enable`);
export const resetFactors = (account: string) => request<Account>("POST", `${one(account)}/factors/reset`);
export const giveGrant = (account: string, role: Role, reach: Reach) =>
  request<Account>("POST", `${one(account)}/grants`, body(role, reach));
export const withdrawGrant = (account: string, grant: Grant) =>
  request<void>("POST", `${one(account)}/grants/withdraw`, body(grant.role, grant));
export const readSessions = (account: string) =>
  request<{ sessions: AccountSession[] }>("GET", `${one(account)}/sessions`);
/** One session of somebody, or all. */
export const endSessions = (account: string, session: string | null) =>
  request<{ ended: number }>("POST", `${one(account)}/sessions/end`, { session });

/** The link that an invitation's token stands in. What follows `#` stays in the browser: it is in no log. */
export const invitationLink = (origin: string, token: string) => `${origin}/#/invitation/${encodeURIComponent(token)}`;

/** The value that stands for an area in the choice of a reach; every other one but "" is a site. */
export const overArea = "*area";
export const everywhere = "*";
/** What was chosen and typed as a reach; null: an area without a city. */
export function reachOf(where: string, city: string, county: string): Reach | null {
  if (where === everywhere) return { site: null, area: [] };
  if (where !== overArea) return { site: where, area: [] };
  if (city.trim() === "") return null;
  return { site: null, area: county.trim() === "" ? [city.trim()] : [city.trim(), county.trim()] };
}
