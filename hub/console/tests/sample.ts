/** Samples for the tests: one alarm, one item, one beat; each test says only what it is about. */

import type { AlarmView, Beat, Change, Counts, DeviceView, EdgeView, Snapshot, UnreceiptedItem } from "../src/api/types";

export const noon = Date.parse("2026-03-01T06:03:22.000Z"); // 14:03:22 in Shanghai
export const iso = (offset_s: number) => new Date(noon + offset_s * 1000).toISOString();

export function sampleAlarm(more: Partial<AlarmView> = {}): AlarmView {
  return {
    alarm: 1,
    version: 1,
    subject: "smoke-3",
    condition: "fire.alarm",
    kind: "fire.alarm",
    kind_name: { zh: "火警", en: "Fire" },
    priority: "high",
    state: "unacknowledged",
    nature: "latching",
    active: true,
    device: "smoke-3",
    device_name: { zh: "感烟 3", en: "Smoke 3" },
    address: null,
    address_name: null,
    zone: "lab301",
    zone_path: [
      { zh: "教学楼", en: "Teaching building" },
      { zh: "3 层", en: "3rd floor" },
      { zh: "301 实验室", en: "Laboratory 301" },
    ],
    silent: false,
    late: false,
    unjudged: false,
    exercise: false,
    rule: "single-detector",
    rule_version: 2,
    response: { zh: "派人核实", en: "Send someone to verify" },
    owner_post: "security-room",
    owner_post_name: { zh: "值班室", en: "security room" },
    observed_at: iso(0),
    raised_at: iso(0),
    last_raised_at: iso(0),
    occurrences: 1,
    acknowledged_at: null,
    acknowledged_by_name: null,
    verification: "unverified",
    verification_cause: "",
    escalation_level: 0,
    next_escalation_at: iso(60),
    next_escalation_to: { post_name: { zh: "带班领导", en: "duty leader" }, person_name: "刘志远" },
    incident: null,
    single_detector: true,
    ...more,
  };
}

export function sampleItem(more: Partial<UnreceiptedItem> = {}): UnreceiptedItem {
  return {
    id: "edge/1/alarm/7/0",
    kind: "panic.pressed",
    kind_name: { zh: "一键报警", en: "Panic button" },
    priority: "critical",
    device: "button",
    device_name: null,
    zone_name: { zh: "校门", en: "Gate" },
    address: "",
    active: null,
    edge_at: iso(0),
    first_seen_at: iso(0),
    ...more,
  };
}

export const sampleCounts: Counts = {
  critical: 0,
  high: 1,
  medium: 0,
  low: 0,
  unacknowledged: 1,
  hazards: 0,
  hazards_major: 0,
  incidents: 0,
  points_total: 492,
  points_known: 486,
  points_unknown: 6,
  devices_total: 40,
  devices_online: 39,
  devices_offline: 0,
  devices_unknown: 1,
};

export function sampleBeat(more: Partial<Beat> = {}): Beat {
  return {
    at: iso(0),
    committed_at: iso(-0.4),
    worker_at: iso(-0.4),
    storing: true,
    seq: 10,
    missing: [],
    counts: sampleCounts,
    ...more,
  };
}

export function sampleEdge(more: Partial<EdgeView> = {}): EdgeView {
  return {
    edge: "edge-1",
    name: { zh: "教学楼网关", en: "Teaching edge" },
    state: "online",
    heard_at: iso(-3),
    settings_error: null,
    ...more,
  };
}

export function sampleDevice(more: Partial<DeviceView> = {}): DeviceView {
  return {
    device: "smoke-3",
    name: { zh: "感烟 3", en: "Smoke 3" },
    family: "fire_alarm",
    zone: "lab301",
    state: "online",
    since: null,
    conditions: [],
    values: [],
    ...more,
  };
}

export function sampleSnapshot(more: Partial<Snapshot> = {}): Snapshot {
  return {
    site: { site: "s", name: { zh: "学校", en: "School" }, time_zone: "Asia/Shanghai" },
    seq: 10,
    at: iso(0),
    alarms: [],
    hazards: [],
    incidents: [],
    zones: [],
    devices: [],
    duty: [],
    counts: sampleCounts,
    recent: [],
    edges: [sampleEdge()],
    ...more,
  };
}

export function sampleChange(seq: number, more: Partial<Change> = {}): Change {
  return {
    seq,
    at: iso(1),
    actor: "system:worker",
    actor_name: null,
    subject: "alarm:1",
    kind: "alarm.raised",
    body: {},
    counts: sampleCounts,
    ...more,
  };
}
