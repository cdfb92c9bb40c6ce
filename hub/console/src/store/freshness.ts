/** What this screen does not know, and since when. Pure: the band, the counts and the calm text all ask here. */

import type { Beat, EdgeView } from "../api/types";
import { instant } from "../format/time";

/** Beats come each second; the screen looks each second, so the band stands within five. */
export const silenceLimitMs = 3000;
/** The worker commits each second; with the beat's second and ours the band stands within five. */
export const commitLimitMs = 4000;
export const clockLimitMs = 5000;
/** A screen without the stream reads each ten seconds; three missed readings are a loss. */
export const readLimitMs = 30_000;

export type FaultKind = "never" | "stream" | "storing" | "commit" | "missing" | "edgeOffline" | "edgeUnknown" | "clock" | "read";
/** blind: nothing can be said of now. partial: what is shown holds, but there may be more. note: nothing is missing. */
export type Reach = "blind" | "partial" | "note";

export interface Fault {
  kind: FaultKind;
  reach: Reach;
  /** Hub time in ms; null: never known. */
  since: number | null;
  /** Which edges or parts. */
  edges: EdgeView[];
  names: string[];
}

export interface Heard {
  snapshotSeen: boolean;
  beat: Beat | null;
  /** The screen's monotonic clock when the stream last spoke, and now; ms. */
  heardAt: number;
  monotonicNow: number;
  /** Hub time now, as far as the screen can tell; ms. */
  hubNow: number;
  /** How far this machine's clock is ahead of the hub's; ms. */
  clockAheadMs: number;
  edges: readonly EdgeView[];
  /** False: no stream for this person, only readings of the overview. */
  followed: boolean;
  /** Hub time at which the hub first said that it does not store. */
  notStoringSince: number | null;
}

function fault(kind: FaultKind, reach: Reach, since: number | null, more: Partial<Fault> = {}): Fault {
  return { kind, reach, since, edges: [], names: [], ...more };
}

function edgeFaults(edges: readonly EdgeView[]): Fault[] {
  const faults: Fault[] = [];
  const offline = edges.filter((edge) => edge.state === "offline");
  const unknown = edges.filter((edge) => edge.state === "unknown");
  if (offline.length > 0) {
    const heard = offline.map((edge) => instant(edge.heard_at)).filter((at) => at !== null);
    faults.push(
      fault("edgeOffline", "partial", heard.length > 0 ? Math.min(...heard) : null, { edges: offline }),
    );
  }
  if (unknown.length > 0) faults.push(fault("edgeUnknown", "partial", null, { edges: unknown }));
  return faults;
}

/** Of a screen that only reads: as of when what it shows is, and no more is claimed. */
function readFaults(heard: Heard): Fault[] {
  if (!heard.snapshotSeen) return [fault("never", "blind", null)];
  const age = heard.monotonicNow - heard.heardAt;
  const since = heard.hubNow - age;
  return [age > readLimitMs ? fault("stream", "blind", since) : fault("read", "note", since), ...edgeFaults(heard.edges)];
}

/** All faults, worst first. A lost stream hides the others: they are hearsay by then. */
export function faultsOf(heard: Heard): Fault[] {
  if (!heard.followed) return readFaults(heard);
  if (!heard.snapshotSeen || heard.beat === null) {
    const waited = heard.monotonicNow - heard.heardAt;
    return !heard.snapshotSeen || waited > silenceLimitMs ? [fault("never", "blind", null)] : [];
  }
  const silence = heard.monotonicNow - heard.heardAt;
  if (silence > silenceLimitMs) return [fault("stream", "blind", heard.hubNow - silence)];
  const faults: Fault[] = [];
  const committed = instant(heard.beat.committed_at);
  const behind = committed === null ? Infinity : Date.parse(heard.beat.at) - committed;
  if (!heard.beat.storing) faults.push(fault("storing", "blind", heard.notStoringSince ?? committed));
  else if (behind > commitLimitMs) faults.push(fault("commit", "blind", committed));
  if (heard.beat.missing.length > 0) faults.push(fault("missing", "partial", null, { names: heard.beat.missing }));
  faults.push(...edgeFaults(heard.edges));
  if (Math.abs(heard.clockAheadMs) > clockLimitMs) {
    faults.push(fault("clock", "note", null, { names: [String(Math.round(Math.abs(heard.clockAheadMs) / 1000))] }));
  }
  return faults;
}

export function reachOf(faults: readonly Fault[]): Reach | "full" {
  if (faults.some((each) => each.reach === "blind")) return "blind";
  return faults.some((each) => each.reach === "partial") ? "partial" : "full";
}

/** A count as it may honestly be written: `3`, `≥3` when there may be more, `?` when nobody knows. */
export function countInWords(count: number | null | undefined, reach: Reach | "full"): string {
  if (count === null || count === undefined || reach === "blind") return "?";
  if (reach !== "partial") return String(count);
  return count === 0 ? "?" : `≥${count}`;
}
