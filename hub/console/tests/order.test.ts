import { describe, expect, it } from "vitest";
import { compareAlarms, holdOrder, successorOf } from "../src/alarm/order";
import { iso, sampleAlarm } from "./sample";

const ids = (...alarms: ReturnType<typeof sampleAlarm>[]) => alarms.sort(compareAlarms).map((each) => each.alarm);

describe("order of the list", () => {
  it("puts priority before everything", () => {
    const late = sampleAlarm({ alarm: 1, priority: "critical", state: "latched", raised_at: iso(100) });
    const early = sampleAlarm({ alarm: 2, priority: "high", raised_at: iso(0) });
    const low = sampleAlarm({ alarm: 3, priority: "low", raised_at: iso(-900) });
    expect(ids(low, early, late)).toEqual([1, 2, 3]);
  });

  it("puts the oldest unacknowledged first, and 已恢复待接警 counts as unacknowledged", () => {
    const acknowledged = sampleAlarm({ alarm: 1, state: "acknowledged", raised_at: iso(-50) });
    const newer = sampleAlarm({ alarm: 2, raised_at: iso(5) });
    const returned = sampleAlarm({ alarm: 3, state: "returned", raised_at: iso(1) });
    expect(ids(acknowledged, newer, returned)).toEqual([3, 2, 1]);
  });

  it("is total: equal times fall back to the number", () => {
    expect(ids(sampleAlarm({ alarm: 9 }), sampleAlarm({ alarm: 4 }))).toEqual([4, 9]);
  });
});

describe("order under a pointer", () => {
  it("stands still: rows keep their places, the gone leave, newcomers follow", () => {
    expect(holdOrder([1, 2, 3], [9, 3, 1], true)).toEqual([1, 3, 9]);
  });

  it("is the sorted one again without a pointer", () => {
    expect(holdOrder([1, 2, 3], [9, 3, 1], false)).toEqual([9, 3, 1]);
  });
});

describe("selection after its alarm closed", () => {
  it("goes to what stands next, else to the last, else nowhere", () => {
    expect(successorOf(2, [1, 2, 3], [1, 3])).toBe(3);
    expect(successorOf(3, [1, 2, 3], [1, 2])).toBe(2);
    expect(successorOf(1, [1], [])).toBeNull();
  });
});
