/** One's own account: second factors, password, where one is logged in. */

import { request } from "../../api/client";
import type { Qr } from "../frame/qr";

export interface Factors {
  totp_since: string | null;
  passkeys: { passkey: string; name: string; host: string; added_at: string; used_at: string | null }[];
  recovery_codes_left: number;
}

export interface OwnSession {
  session: string;
  station: string;
  address: string;
  opened_at: string;
  used_at: string;
  expires_at: string;
  phone: string | null;
  /** The one that asks. */
  this: boolean;
}

export const readFactors = () => request<Factors>("GET", "/account/factors");
export const enrolTotp = (password: string) =>
  request<{ secret: string; uri: string; qr: Qr }>("POST", "/account/totp", { password });
/** The recovery codes, shown once; none where there are some already. */
export const confirmTotp = (code: string) =>
  request<{ recovery_codes: string[] }>("POST", "/account/totp/confirm", { code });
export const removeTotp = () => request<void>("POST", "/account/totp/remove");
export const renewCodes = () => request<{ recovery_codes: string[] }>("POST", "/account/recovery-codes");
export const removePasskey = (passkey: string) => request<void>("POST", `/account/passkeys/${passkey}/remove`);
export async function addPasskey(name: string, password: string): Promise<string[]> {
  const { options } = await request<{ options: PublicKeyCredentialCreationOptionsJSON }>(
    "POST",
    "/account/passkeys/begin",
    { password },
  );
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const made = (await navigator.credentials.create({ publicKey })) as PublicKeyCredential | null;
  if (made === null) return [];
  const answer = await request<{ recovery_codes: string[] }>("POST", "/account/passkeys", {
    name,
    credential: made.toJSON(),
  });
  return answer.recovery_codes;
}
export const canMakePasskeys = () => typeof PublicKeyCredential?.parseCreationOptionsFromJSON === "function";
export const changePassword = (present: string, next: string) =>
  request<{ ended: number }>("POST", "/account/password", { present, new: next });
export const readSessions = () => request<{ sessions: OwnSession[] }>("GET", "/account/sessions");
export const endSessions = (which: { session: string } | { others: true }) =>
  request<{ ended: number }>("POST", "/account/sessions/end", which);
