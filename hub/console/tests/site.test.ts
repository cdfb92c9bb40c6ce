import { beforeEach, describe, expect, it } from "vitest";
import { announced, holdRows, releaseRows, selected, select, shownOrder } from "../src/store/selection";
import {
  applyBeat,
  applyChange,
  applySnapshot,
  applyUnreceipted,
  forgetSite,
  sortedAlarms,
  state,
} from "../src/store/site";
import { iso, sampleAlarm, sampleBeat, sampleChange, sampleCounts, sampleItem, sampleSnapshot } from "./sample";

const raised = (seq: number, alarm: ReturnType<typeof sampleAlarm>) => sampleChange(seq, { alarm });

beforeEach(() => {
  releaseRows();
  forgetSite();
});

describe("the one state", () => {
  it("is replaced whole by a snapshot: what it does not name is gone", () => {
    applySnapshot(sampleSnapshot({ alarms: [sampleAlarm({ alarm: 1 }), sampleAlarm({ alarm: 2 })] }));
    applySnapshot(sampleSnapshot({ seq: 12, alarms: [sampleAlarm({ alarm: 2 })] }));
    expect([...state.alarms.keys()]).toEqual([2]);
    expect(state.seq).toBe(12);
  });

  it("takes changes once, in order, and asks for the overview when rows are missing", () => {
    applySnapshot(sampleSnapshot());
    expect(applyChange(raised(11, sampleAlarm({ alarm: 5 })))).toBe(false);
    expect(applyChange(raised(11, sampleAlarm({ alarm: 6 })))).toBe(false);
    expect([...state.alarms.keys()]).toEqual([5]);
    expect(applyChange(raised(14, sampleAlarm({ alarm: 7 })))).toBe(true);
    expect(state.recent[0]?.seq).toBe(14);
  });

  it("drops what closed", () => {
    applySnapshot(sampleSnapshot({ alarms: [sampleAlarm()] }));
    applyChange(raised(11, sampleAlarm({ state: "closed" })));
    expect(sortedAlarms.value).toEqual([]);
  });

  it("does not let a beat's older counts overwrite a change's", () => {
    applySnapshot(sampleSnapshot());
    applyChange(sampleChange(11, { counts: { ...sampleCounts, critical: 4 } }));
    applyBeat(sampleBeat({ seq: 10 }));
    expect(state.counts?.critical).toBe(4);
    applyBeat(sampleBeat({ seq: 11 }));
    expect(state.counts).toEqual(sampleCounts);
  });

  it("remembers since when the hub does not store, and forgets it when it does again", () => {
    applyBeat(sampleBeat({ storing: false, committed_at: iso(-3) }));
    applyBeat(sampleBeat({ at: iso(1), storing: false, committed_at: iso(-3) }));
    expect(state.notStoringSince).toBe(Date.parse(iso(-3)));
    applyBeat(sampleBeat({ at: iso(2) }));
    expect(state.notStoringSince).toBeNull();
  });

  it("holds the whole list of what has no receipt", () => {
    applyUnreceipted([sampleItem()]);
    applyUnreceipted([]);
    expect(state.unreceipted).toEqual([]);
  });
});

describe("the selection", () => {
  it("stays on its alarm when a more urgent one comes on top", () => {
    applySnapshot(sampleSnapshot({ alarms: [sampleAlarm({ alarm: 1 })] }));
    select(1);
    applyChange(raised(11, sampleAlarm({ alarm: 2, priority: "critical" })));
    expect(shownOrder.value).toEqual([2, 1]);
    expect(selected.value).toBe(1);
  });

  it("does not jump under the pointer: the newcomer is announced and stands last", () => {
    applySnapshot(sampleSnapshot({ alarms: [sampleAlarm({ alarm: 1 }), sampleAlarm({ alarm: 3 })] }));
    holdRows();
    applyChange(raised(11, sampleAlarm({ alarm: 2, priority: "critical" })));
    expect(shownOrder.value).toEqual([1, 3, 2]);
    expect(announced.value).toBe(2);
    releaseRows();
    expect(shownOrder.value).toEqual([2, 1, 3]);
    expect(announced.value).toBeNull();
  });

  it("goes on to the next when its alarm closes", () => {
    applySnapshot(sampleSnapshot({ alarms: [1, 2, 3].map((alarm) => sampleAlarm({ alarm })) }));
    select(2);
    applyChange(raised(11, sampleAlarm({ alarm: 2, state: "closed" })));
    expect(selected.value).toBe(3);
  });
});
