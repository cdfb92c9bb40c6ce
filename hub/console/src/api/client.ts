/** Requests to the hub. One place knows the prefix, the CSRF header and the error shape. */

import { t } from "../words/language";
import type { AlarmDetail, AlarmView, Session, Snapshot, SoundReport, Verification } from "./types";

const prefix = "/api/v1";
const timeoutMs = 8000;
const uploadTimeoutMs = 60_000;

/** The hub said no, or could not be asked (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly field?: string,
    readonly body?: Record<string, unknown>,
  ) {
    super(message);
  }
}

function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function readError(response: Response): Promise<ApiError> {
  let body: Record<string, unknown> = {};
  try {
    body = (await response.json()) as Record<string, unknown>;
  } catch {
    // A proxy's page is no JSON; the status says enough.
  }
  const code = typeof body["code"] === "string" ? body["code"] : `http_${response.status}`;
  const message = typeof body["message"] === "string" ? body["message"] : response.statusText;
  const field = typeof body["field"] === "string" ? body["field"] : undefined;
  return new ApiError(response.status, code, message, field, body);
}

/** Asks the hub. A File goes as it is; anything else goes and comes as JSON. Throws ApiError. */
export async function request<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET") {
    headers["X-Sanfang"] = "1";
    headers["Idempotency-Key"] = idempotencyKey();
  }
  const file = body instanceof Blob;
  if (body !== undefined) headers["Content-Type"] = file ? body.type || "application/octet-stream" : "application/json";
  let response: Response;
  try {
    response = await fetch(prefix + path, {
      method,
      headers,
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(file ? uploadTimeoutMs : timeoutMs),
      ...(body === undefined ? {} : { body: file ? body : JSON.stringify(body) }),
    });
  } catch (cause) {
    throw new ApiError(0, "unreachable", cause instanceof Error ? cause.message : String(cause));
  }
  if (!response.ok) throw await readError(response);
  if (response.status === 204) return undefined as Answer;
  return (await response.json()) as Answer;
}

export const at = (site: string) => `/sites/${encodeURIComponent(site)}`;

export const api = {
  setUpNeeded: () => request<{ needed: boolean }>("GET", "/setup"),
  setUp: (form: { token: string; name: string; display_name: string; password: string; station: string }) =>
    request<Session>("POST", "/setup", form),
  logIn: (form: { name: string; password: string; station: string }) => request<Session>("POST", "/session", form),
  /** The second step of a log-in. */
  showCode: (method: "totp" | "recovery", code: string) => request<Session>("POST", `/session/${method}`, { code }),
  askPasskey: () => request<{ options: PublicKeyCredentialRequestOptionsJSON }>("POST", "/session/passkey/begin"),
  showPasskey: (credential: unknown) => request<Session>("POST", "/session/passkey", { credential }),
  logOut: () => request<void>("DELETE", "/session"),
  session: () => request<Session>("GET", "/session"),

  overview: (site: string) => request<Snapshot>("GET", `${at(site)}/overview`),
  alarms: (site: string, state: "open" | "all", limit: number) =>
    request<{ alarms: AlarmView[] }>("GET", `${at(site)}/alarms?state=${state}&limit=${limit}`),
  alarm: (site: string, alarm: number) => request<AlarmDetail>("GET", `${at(site)}/alarms/${alarm}`),
  reportScreen: (site: string, station: string, sound: SoundReport) =>
    request<unknown>("POST", `${at(site)}/screen`, { station, sound }),

  /** The four acts. Each names the version that the person saw, so that a list that moved is refused. */
  acknowledge: (site: string, seen: AlarmView) => act(site, seen, "acknowledge", {}),
  silence: (site: string, seen: AlarmView) => act(site, seen, "silence", {}),
  verify: (site: string, seen: AlarmView, verification: Verification, cause: string) =>
    act(site, seen, "verify", { verification, cause }),
  reset: (site: string, seen: AlarmView) => act(site, seen, "reset", {}),

  actOnStep: (site: string, incident: number, step: number, action: "accept" | "finish" | "skip", reason: string) =>
    request<unknown>("POST", `${at(site)}/incidents/${incident}/steps/${step}/${action}`, { reason }),
  actOnIncident: (site: string, incident: number, action: string, reason: string) =>
    request<unknown>("POST", `${at(site)}/incidents/${incident}/${action}`, { reason }),
};

/** Why a request came to nothing, in words for a person. */
export function reasonOf(error: unknown): string {
  return error instanceof ApiError && error.status !== 0 ? error.message || error.code : t("login.unreachable");
}

async function act(site: string, seen: AlarmView, action: string, body: Record<string, unknown>): Promise<AlarmView> {
  const answer = await request<{ alarm: AlarmView }>("POST", `${at(site)}/alarms/${seen.alarm}/${action}`, {
    ...body,
    version: seen.version,
  });
  return answer.alarm;
}
