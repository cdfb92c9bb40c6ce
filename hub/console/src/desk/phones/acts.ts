/** Guards' phones at a site, and what is asked of the hub. */

import { at, request } from "../../api/client";
import type { Account } from "../accounts/acts";
import type { Qr } from "../frame/qr";
import type { Person } from "../people/acts";

export interface Phone {
  phone: string;
  name: string;
  account: string;
  display_name: string;
  state: "invited" | "expired" | "active" | "ended" | "revoked";
  invited_at: string;
  enrolled_at: string | null;
  used_at: string | null;
  expires_at: string | null;
  revoked_at: string | null;
}

/** Shown once, good once, for ten minutes. */
export interface PhoneInvitation {
  phone: string;
  code: string;
  url: string;
  qr: Qr;
  expires_at: string;
}

const phones = (site: string) => `${at(site)}/phones`;
export const readPhones = (site: string) => request<{ phones: Phone[] }>("GET", phones(site));
export const invitePhone = (site: string, account: string, name: string) =>
  request<PhoneInvitation>("POST", phones(site), { account, name });
export const revokePhone = (site: string, phone: string) =>
  request<void>("POST", `${phones(site)}/${encodeURIComponent(phone)}/revoke`);

/**
 * Whose phone it may be: the guards among the accounts one sees, and the people here who have an account (whoever
 * enrols phones need not see accounts; the hub refuses who is no guard).
 */
export function ownersOf(accounts: readonly Account[], people: readonly Person[]): { value: string; label: string }[] {
  const known = new Map(accounts.map((each) => [each.account, each]));
  const owners = new Map<string, string>();
  for (const each of accounts) {
    if (each.state !== "disabled" && each.grants.some((grant) => grant.role === "guard")) {
      owners.set(each.account, `${each.display_name} (${each.name})`);
    }
  }
  for (const each of people) {
    if (each.account && each.active && !known.has(each.account)) owners.set(each.account, each.name);
  }
  return [...owners].map(([value, label]) => ({ value, label }));
}
