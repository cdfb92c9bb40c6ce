import { describe, expect, it } from "vitest";
import { nextAct, refusalOf } from "../src/alarm/act";
import { sampleAlarm } from "./sample";

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
