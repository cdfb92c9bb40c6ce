/** The shapes of the hub's API under /api/v1. Times are ISO-8601 UTC with milliseconds. */

export type Language = "zh" | "en";
export interface Text {
  zh: string;
  en: string;
}

export type Priority = "critical" | "high" | "medium" | "low";
export type AlarmState = "unacknowledged" | "acknowledged" | "returned" | "latched" | "closed";
export type Verification = "unverified" | "verifying" | "real" | "false" | "test" | "drill";
export type Presence = "online" | "offline" | "unknown";

export interface SecondFactor {
  state: "awaited" | "shown" | "needed" | "not_needed";
  methods: ("totp" | "passkey" | "recovery")[];
}

export interface Session {
  account: string;
  name: string;
  display_name: string;
  station: string;
  /** Each role held anywhere, with its permissions. */
  roles: Record<string, string[]>;
  sites: { site: string; name: Text; roles: string[] }[];
  second_factor: SecondFactor;
}

export interface AlarmView {
  alarm: number;
  /** Changes with state, priority and verification; an act names the one the person saw. */
  version: number;
  subject: string;
  condition: string;
  kind: string;
  kind_name: Text;
  priority: Priority;
  state: AlarmState;
  nature: "plain" | "latching" | "momentary" | "momentary_latching";
  active: boolean | null;
  device: string | null;
  device_name: Text | null;
  address: string | null;
  address_name: Text | null;
  zone: string | null;
  /** Outermost first. */
  zone_path: Text[];
  /** No loudspeaker, nothing that visitors can see or hear. */
  silent: boolean;
  late: boolean;
  unjudged: boolean;
  exercise: boolean;
  rule: string;
  rule_version: number;
  response: Text;
  owner_post: string;
  owner_post_name: Text;
  observed_at: string;
  raised_at: string;
  last_raised_at: string;
  occurrences: number;
  acknowledged_at: string | null;
  acknowledged_by_name: string | null;
  verification: Verification;
  verification_cause: string;
  escalation_level: number;
  next_escalation_at: string | null;
  next_escalation_to: { post_name: Text; person_name: string | null } | null;
  incident: number | null;
  single_detector: boolean;
}

export type HazardState =
  | "reported"
  | "confirmed"
  | "assigned"
  | "rectifying"
  | "submitted"
  | "closed"
  | "dismissed"
  | "deferred";

export interface HazardView {
  hazard: number;
  subject: string;
  condition: string;
  title: Text;
  grade: "general" | "major";
  state: HazardState;
  zone: string | null;
  zone_path: Text[];
  device: string | null;
  device_name: Text | null;
  owner_post_name: Text | null;
  reported_at: string;
  due_at: string;
  overdue: boolean;
  occurrences: number;
}

export type IncidentState =
  | "proposed"
  | "triggered"
  | "responding"
  | "contained"
  | "closed"
  | "reviewed"
  | "dismissed"
  | "suspended";
export type StepState = "pending" | "notified" | "accepted" | "done" | "skipped" | "expired";
export type CommandState =
  | "requested"
  | "sent"
  | "accepted"
  | "confirmed"
  | "unconfirmed"
  | "failed"
  | "expired"
  | "refused"
  | "superseded"
  | "cancelled";

export interface StepView {
  step: number;
  title: Text;
  post: string;
  post_name: Text | null;
  person_name: string | null;
  state: StepState;
  due_at: string | null;
  accepted_at: string | null;
  done_at: string | null;
  reason: string;
}

export interface CommandView {
  command: string;
  device: string;
  device_name: Text | null;
  address: string;
  kind: string;
  kind_name: Text;
  state: CommandState;
  /** "reflex": the edge did it by itself, by the rule's local linkage. */
  by: "rule" | "reflex" | "plan" | "person";
  /** The rule or plan behind it; empty where a person ordered it. */
  rule: string;
  reason: string;
  detail: string;
  requested_at: string;
}

export interface IncidentView {
  incident: number;
  plan: string;
  title: Text;
  level: "I" | "II" | "III" | "IV";
  state: IncidentState;
  exercise: boolean;
  zone: string | null;
  zone_path: Text[];
  triggered_at: string;
  commander_name: string | null;
  alarms: number[];
  steps: StepView[];
  commands: CommandView[];
}

export interface PointValue {
  address: string;
  point: string;
  point_name: Text;
  value: number | null;
  unit: string;
  quality: "good" | "uncertain" | "stale" | "bad" | "missing";
  observed_at: string | null;
}

export interface DeviceView {
  device: string;
  name: Text;
  family: string;
  zone: string;
  state: Presence;
  since: string | null;
  /** The conditions that hold now. */
  conditions: { kind: string; kind_name: Text; address: string; active: boolean; since: string | null }[];
  values: PointValue[];
}

export interface ZoneView {
  zone: string;
  parent: string | null;
  name: Text;
  class: "sensitive" | "key" | "general";
  kind: string;
  devices: { total: number; online: number; offline: number; unknown: number };
}

export interface EdgeView {
  edge: string;
  name: Text;
  state: Presence;
  heard_at: string | null;
  settings_error: string | null;
}

export interface DutyView {
  post: string;
  post_name: Text;
  person_name: string | null;
}

export interface Counts {
  critical: number;
  high: number;
  medium: number;
  low: number;
  unacknowledged: number;
  hazards: number;
  hazards_major: number;
  incidents: number;
  points_total: number;
  points_known: number;
  points_unknown: number;
  devices_total: number;
  devices_online: number;
  devices_offline: number;
  devices_unknown: number;
}

/** One journal row, without the views that a change carries. */
export interface JournalRow {
  seq: number;
  at: string;
  actor: string;
  actor_name: string | null;
  subject: string;
  kind: string;
  body: Record<string, unknown>;
}

export interface Change extends JournalRow {
  alarm?: AlarmView | null;
  hazard?: HazardView | null;
  incident?: IncidentView | null;
  device?: DeviceView | null;
  edge?: EdgeView | null;
  counts: Counts;
}

export interface Snapshot {
  site: { site: string; name: Text; time_zone: string };
  seq: number;
  at: string;
  alarms: AlarmView[];
  hazards: HazardView[];
  incidents: IncidentView[];
  zones: ZoneView[];
  devices: DeviceView[];
  duty: DutyView[];
  counts: Counts;
  recent: JournalRow[];
  edges: EdgeView[];
}

export interface Beat {
  /** The hub's clock when it sent this. */
  at: string;
  /** When the worker holding this site last committed; null: never since the API started. */
  committed_at: string | null;
  worker_at: string | null;
  storing: boolean;
  seq: number;
  missing: string[];
  /** Where `missing` is not empty, the last that were known. */
  counts: Counts;
}

/** An alarm-lane item that no receipt covers yet: heard, but neither judged nor stored. */
export interface UnreceiptedItem {
  id: string;
  kind: string;
  kind_name: Text;
  priority: Priority;
  device: string;
  device_name: Text | null;
  zone_name: Text | null;
  address: string;
  active: boolean | null;
  edge_at: string;
  first_seen_at: string;
}

export interface EvidenceView {
  ordinal?: number;
  event: string;
  recorded_at: string;
  body: Record<string, unknown>;
}

export interface AlarmDetail {
  alarm: AlarmView;
  evidence: EvidenceView[];
  journal: JournalRow[];
}

export type SoundReport = "armed" | "muted" | "blocked";
