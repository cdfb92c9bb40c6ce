/** What this screen knows of its site: one state, changed only by what the event stream and the overview bring. */

import { computed, reactive } from "vue";
import { compareAlarms } from "../alarm/order";
import type {
  AlarmView,
  Beat,
  Change,
  Counts,
  DeviceView,
  DutyView,
  EdgeView,
  HazardView,
  IncidentView,
  JournalRow,
  Snapshot,
  UnreceiptedItem,
  ZoneView,
} from "../api/types";
import { clockAheadMs, followHub, hubNow, monotonicNow } from "./clock";
import { faultsOf, reachOf } from "./freshness";

const recentKept = 60;

export interface SiteState {
  site: Snapshot["site"] | null;
  seq: number;
  alarms: Map<number, AlarmView>;
  hazards: Map<number, HazardView>;
  incidents: Map<number, IncidentView>;
  devices: Map<string, DeviceView>;
  zones: ZoneView[];
  duty: DutyView[];
  edges: EdgeView[];
  recent: JournalRow[];
  counts: Counts | null;
  unreceipted: UnreceiptedItem[];
  beat: Beat | null;
  heardAt: number;
  /** False: this person may not follow the stream; the overview is read now and then. */
  followed: boolean;
  notStoringSince: number | null;
}

function empty(): SiteState {
  return {
    site: null,
    seq: 0,
    alarms: new Map(),
    hazards: new Map(),
    incidents: new Map(),
    devices: new Map(),
    zones: [],
    duty: [],
    edges: [],
    recent: [],
    counts: null,
    unreceipted: [],
    beat: null,
    heardAt: performance.now(),
    followed: true,
    notStoringSince: null,
  };
}

export const state: SiteState = reactive(empty());

export function forgetSite(): void {
  Object.assign(state, empty());
}

/** The stream spoke. The overview does not count: it can be fetched while the stream is dead. */
export function noteHeard(): void {
  state.heardAt = performance.now();
}

/** A snapshot replaces everything, also after a reconnect: what it does not name is gone. */
export function applySnapshot(snapshot: Snapshot): void {
  state.site = snapshot.site;
  state.seq = snapshot.seq;
  state.alarms = new Map(snapshot.alarms.map((alarm) => [alarm.alarm, alarm]));
  state.hazards = new Map(snapshot.hazards.map((hazard) => [hazard.hazard, hazard]));
  state.incidents = new Map(snapshot.incidents.map((incident) => [incident.incident, incident]));
  state.devices = new Map(snapshot.devices.map((device) => [device.device, device]));
  state.zones = snapshot.zones;
  state.duty = snapshot.duty;
  state.edges = snapshot.edges;
  state.recent = [...snapshot.recent].sort((a, b) => b.seq - a.seq).slice(0, recentKept);
  state.counts = snapshot.counts;
}

const hazardGone = new Set(["closed", "dismissed"]);
const incidentGone = new Set(["closed", "reviewed", "dismissed"]);

export function applyAlarm(alarm: AlarmView): void {
  if (alarm.state === "closed") state.alarms.delete(alarm.alarm);
  else state.alarms.set(alarm.alarm, alarm);
}

function applyViews(change: Change): void {
  if (change.alarm) applyAlarm(change.alarm);
  if (change.hazard) {
    if (hazardGone.has(change.hazard.state)) state.hazards.delete(change.hazard.hazard);
    else state.hazards.set(change.hazard.hazard, change.hazard);
  }
  if (change.incident) {
    if (incidentGone.has(change.incident.state)) state.incidents.delete(change.incident.incident);
    else state.incidents.set(change.incident.incident, change.incident);
  }
  if (change.device) state.devices.set(change.device.device, change.device);
  const edge = change.edge;
  if (edge) state.edges = [...state.edges.filter((other) => other.edge !== edge.edge), edge];
}

/** Takes one journal row with its views. True: rows before it are missing, so the overview must be read again. */
export function applyChange(change: Change): boolean {
  if (change.seq <= state.seq) return false;
  const gap = change.seq > state.seq + 1;
  state.seq = change.seq;
  applyViews(change);
  const { seq, at, actor, actor_name, subject, kind, body } = change;
  state.recent = [{ seq, at, actor, actor_name, subject, kind, body }, ...state.recent].slice(0, recentKept);
  state.counts = change.counts;
  return gap;
}

export function applyBeat(beat: Beat): void {
  followHub(Date.parse(beat.at));
  if (beat.storing) state.notStoringSince = null;
  else state.notStoringSince ??= Date.parse(beat.committed_at ?? beat.at);
  state.beat = beat;
  // A beat's counts may be older than the last change's; its own sequence says so.
  if (beat.seq >= state.seq) state.counts = beat.counts;
}

export function applyUnreceipted(items: UnreceiptedItem[]): void {
  state.unreceipted = items;
}

export const sortedAlarms = computed(() => [...state.alarms.values()].sort(compareAlarms));

export const faults = computed(() =>
  faultsOf({
    snapshotSeen: state.site !== null,
    beat: state.beat,
    heardAt: state.heardAt,
    monotonicNow: monotonicNow.value,
    hubNow: hubNow.value,
    clockAheadMs: clockAheadMs.value,
    edges: state.edges,
    followed: state.followed,
    notStoringSince: state.notStoringSince,
  }),
);
export const reach = computed(() => reachOf(faults.value));

/** Age of the newest commit that this screen knows of, in seconds; null: unknown. */
export const dataAge_s = computed(() => {
  const committed = state.beat?.committed_at;
  return committed ? Math.max(0, (hubNow.value - Date.parse(committed)) / 1000) : null;
});

export const timeZone = computed(() => state.site?.time_zone ?? "Asia/Shanghai");
