import { describe, expect, it } from "vitest";
import { countInWords, faultsOf, reachOf, type Heard } from "../src/store/freshness";
import { iso, noon, sampleBeat, sampleEdge } from "./sample";

function hear(more: Partial<Heard> = {}): Heard {
  return {
    snapshotSeen: true,
    beat: sampleBeat(),
    heardAt: 1000,
    monotonicNow: 1500,
    hubNow: noon,
    clockAheadMs: 0,
    edges: [sampleEdge()],
    followed: true,
    notStoringSince: null,
    ...more,
  };
}
const kinds = (heard: Heard) => faultsOf(heard).map((fault) => fault.kind);

describe("what the screen does not know", () => {
  it("knows everything while beats come and the hub commits", () => {
    expect(faultsOf(hear())).toEqual([]);
    expect(reachOf([])).toBe("full");
  });

  it("claims no more than its last reading where one may not follow the stream", () => {
    const read = { followed: false, beat: null, monotonicNow: 9000 };
    expect(faultsOf(hear(read))).toMatchObject([{ kind: "read", reach: "note", since: noon - 8000 }]);
    expect(faultsOf(hear({ ...read, monotonicNow: 40_000 }))).toMatchObject([{ kind: "stream", reach: "blind" }]);
  });

  it("is blind before the first snapshot", () => {
    expect(kinds(hear({ snapshotSeen: false, beat: null }))).toEqual(["never"]);
  });

  it("is blind when a snapshot came but no beat follows", () => {
    expect(kinds(hear({ beat: null }))).toEqual([]);
    expect(kinds(hear({ beat: null, monotonicNow: 4100 }))).toEqual(["never"]);
  });

  it("says so within five seconds of the last beat, and since when", () => {
    // The screen looks once a second: four seconds after the last beat it has seen the fault for sure.
    const [fault] = faultsOf(hear({ monotonicNow: 5000 }));
    expect(fault).toMatchObject({ kind: "stream", reach: "blind", since: noon - 4000 });
  });

  it("lets a lost stream hide older hearsay", () => {
    expect(kinds(hear({ monotonicNow: 9000, beat: sampleBeat({ storing: false }) }))).toEqual(["stream"]);
  });

  it("is blind when the hub does not store, since it first said so", () => {
    const beat = sampleBeat({ storing: false });
    expect(faultsOf(hear({ beat, notStoringSince: noon - 7000 }))[0]).toMatchObject({
      kind: "storing",
      reach: "blind",
      since: noon - 7000,
    });
  });

  it("is blind when the last commit is older than five seconds, or never was", () => {
    const old = sampleBeat({ committed_at: iso(-5) });
    expect(faultsOf(hear({ beat: old }))[0]).toMatchObject({ kind: "commit", reach: "blind", since: noon - 5000 });
    expect(kinds(hear({ beat: sampleBeat({ committed_at: null }) }))).toEqual(["commit"]);
  });

  it("tells an edge that went silent from one never heard, and since when", () => {
    const edges = [
      sampleEdge({ edge: "a", state: "offline", heard_at: iso(-95) }),
      sampleEdge({ edge: "b", state: "offline", heard_at: iso(-40) }),
      sampleEdge({ edge: "c", state: "unknown", heard_at: null }),
    ];
    const [offline, unknown] = faultsOf(hear({ edges }));
    expect(offline).toMatchObject({ kind: "edgeOffline", reach: "partial", since: noon - 95_000 });
    expect(unknown).toMatchObject({ kind: "edgeUnknown", reach: "partial", since: null });
  });

  it("only notes a clock that is apart", () => {
    const faults = faultsOf(hear({ clockAheadMs: -6000 }));
    expect(faults.map((fault) => [fault.kind, fault.names[0]])).toEqual([["clock", "6"]]);
    expect(reachOf(faults)).toBe("full");
  });
});

describe("a count as it may honestly be written", () => {
  it("is a figure only when all is known; an unknown is never nought", () => {
    expect(countInWords(0, "full")).toBe("0");
    expect(countInWords(3, "note")).toBe("3");
    expect(countInWords(0, "blind")).toBe("?");
    expect(countInWords(3, "blind")).toBe("?");
    expect(countInWords(3, "partial")).toBe("≥3");
    expect(countInWords(0, "partial")).toBe("?");
    expect(countInWords(null, "full")).toBe("?");
  });
});
