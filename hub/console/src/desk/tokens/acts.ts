/** API tokens, and what is asked of the hub. */

import { request } from "../../api/client";
import type { Text } from "../../api/types";

export interface Token {
  token: string;
  name: string;
  account: string;
  permissions: string[];
  sites: string[];
  made_at: string;
  expires_at: string;
  used_at: string | null;
  revoked_at: string | null;
  own: boolean;
}

/** A permission that one may give a token. */
export interface Offer {
  permission: string;
  name: Text;
}

export interface TokenAsk {
  name: string;
  permissions: string[];
  sites: string[];
  days: number;
}

export const readTokens = () => request<{ tokens: Token[]; offered: Offer[] }>("GET", "/tokens");
/** `secret` is shown once. */
export const makeToken = (ask: TokenAsk) =>
  request<{ token: string; secret: string; expires_at: string }>("POST", "/tokens", ask);
export const revokeToken = (token: string) => request<void>("POST", `/tokens/${encodeURIComponent(token)}/revoke`);

export type TokenState = "active" | "expired" | "revoked";
export function stateOf(token: Token, now: number): TokenState {
  if (token.revoked_at !== null) return "revoked";
  return Date.parse(token.expires_at) <= now ? "expired" : "active";
}

/** Offers by the noun of their permission (`alarm.read` and `alarm.note` together), in the hub's order. */
export function groupOffers(offers: readonly Offer[]): { noun: string; offers: Offer[] }[] {
  const groups = new Map<string, Offer[]>();
  for (const each of offers) {
    const noun = each.permission.split(".")[0]!;
    groups.set(noun, [...(groups.get(noun) ?? []), each]);
  }
  return [...groups].map(([noun, of]) => ({ noun, offers: of }));
}
