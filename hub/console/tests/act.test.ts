import { describe, expect, it } from "vitest";
import { nextAct, refusalOf } from "../src/alarm/act";
import { isAbnormal, spreadOf } from "../src/alarm/neighbour";
import { iso, sampleAlarm, sampleDevice } from "./sample";

describe("the four acts", () => {
  it("refuses with a reason", () => {
    const open = sampleAlarm();
    expect(refusalOf("acknowledge", open, true)).toBeNull();
    expect(refusalOf("acknowledge", sampleAlarm({ state: "latched" }), false)).toBe("act.refused.acknowledged");
    expect(refusalOf("silence", sampleAlarm({ silent: true }), false)).toBe("act.refused.silentAlarm");
    expect(refusalOf("reset", open, true)).toBe("act.refused.notAcknowledged");
    expect(refusalOf("reset", sampleAlarm({ state: "acknowledged", nature: "plain" }), false)).toBe(
      "act.refused.notLatched",
    );
  });

  it("resets only what is latched, clear and decided", () => {
    const latched = { state: "latched", active: false, verification: "false" } as const;
    expect(refusalOf("reset", sampleAlarm(latched), false)).toBeNull();
    expect(refusalOf("reset", sampleAlarm({ ...latched, active: true }), false)).toBe("act.refused.active");
    expect(refusalOf("reset", sampleAlarm({ ...latched, verification: "verifying" }), false)).toBe(
      "act.refused.notVerified",
    );
    expect(refusalOf("reset", sampleAlarm({ ...latched, nature: "momentary_latching", active: null }), false)).toBeNull();
  });

  it("leads the phone's one button from act to act", () => {
    expect(nextAct(sampleAlarm())).toBe("acknowledge");
    expect(nextAct(sampleAlarm({ state: "latched", active: false }))).toBe("verify");
    expect(nextAct(sampleAlarm({ state: "latched", active: false, verification: "real" }))).toBe("reset");
    expect(nextAct(sampleAlarm({ state: "acknowledged", verification: "real" }))).toBeNull();
  });
});

describe("what is abnormal", () => {
  it("is silence, and conditions that an ordinary day does not have", () => {
    const condition = { kind_name: { zh: "", en: "" }, address: "", active: true, since: null };
    expect(isAbnormal(sampleDevice())).toBe(false);
    expect(isAbnormal(sampleDevice({ conditions: [{ ...condition, kind: "door.opened" }] }))).toBe(false);
    expect(isAbnormal(sampleDevice({ conditions: [{ ...condition, kind: "door.forced" }] }))).toBe(true);
    expect(isAbnormal(sampleDevice({ state: "unknown" }))).toBe(true);
  });

  it("shows an origin and a spread among alarms of one family and building, first one first", () => {
    const later = sampleAlarm({ alarm: 2, observed_at: iso(9) });
    const door = sampleAlarm({ alarm: 3, kind: "door.forced", observed_at: iso(-9) });
    const elsewhere = sampleAlarm({ alarm: 4, zone_path: [{ zh: "食堂", en: "canteen" }], observed_at: iso(-9) });
    const own = sampleAlarm({ alarm: 1 });
    expect(spreadOf(own, [later, door, elsewhere, own]).map((each) => each.alarm)).toEqual([1, 2]);
  });
});
