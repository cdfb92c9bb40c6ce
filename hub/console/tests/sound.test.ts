import { describe, expect, it } from "vitest";
import { patterns, rhythmOf } from "../src/sound/pattern";
import { decideSound, keyOf, signatureOf, soundStateOf, type Situation } from "../src/sound/policy";
import { iso, noon, sampleAlarm, sampleItem } from "./sample";

function decide(more: Partial<Situation>) {
  return decideSound({ alarms: [], unreceipted: [], blindness: null, silences: new Map(), now: noon, ...more });
}
const silenced = (...alarms: ReturnType<typeof sampleAlarm>[]) =>
  new Map(alarms.map((alarm) => [keyOf(alarm), signatureOf(alarm)]));

describe("what sounds", () => {
  it("is the most urgent unacknowledged alarm, until it is acknowledged", () => {
    const high = sampleAlarm({ alarm: 1, priority: "high" });
    const critical = sampleAlarm({ alarm: 2, priority: "critical" });
    expect(decide({ alarms: [high, critical] }).pattern).toBe("critical");
    const seen = { ...critical, state: "acknowledged" as const, acknowledged_at: iso(3) };
    expect(decide({ alarms: [high, seen] }).pattern).toBe("high");
    expect(decide({ alarms: [seen] }).pattern).toBeNull();
  });

  it("goes on for an alarm that cleared before anyone saw it", () => {
    expect(decide({ alarms: [sampleAlarm({ state: "returned", active: false })] }).pattern).toBe("high");
  });

  it("is nothing for a silent alarm, however urgent", () => {
    const duress = sampleAlarm({ kind: "panic.duress", priority: "critical", silent: true });
    expect(decide({ alarms: [duress] })).toMatchObject({ pattern: null, allSilenced: false });
    expect(decide({ unreceipted: [sampleItem({ kind: "access.duress" })] }).pattern).toBeNull();
  });

  it("is an item without receipt at its kind's priority, unless it says that something ended", () => {
    expect(decide({ unreceipted: [sampleItem()] }).pattern).toBe("critical");
    expect(decide({ unreceipted: [sampleItem({ active: false })] }).pattern).toBeNull();
  });

  it("is fire again when an acknowledged one repeats, for a while; a door is not", () => {
    const again = { state: "acknowledged" as const, acknowledged_at: iso(5), last_raised_at: iso(20) };
    expect(decide({ alarms: [sampleAlarm(again)], now: noon + 22_000 }).pattern).toBe("high");
    expect(decide({ alarms: [sampleAlarm(again)], now: noon + 40_000 }).pattern).toBeNull();
    expect(decide({ alarms: [sampleAlarm({ ...again, kind: "door.held" })], now: noon + 22_000 }).pattern).toBeNull();
  });

  it("says that this screen no longer knows, but an alarm goes first", () => {
    expect(decide({ blindness: "stream" }).pattern).toBe("lost");
    expect(decide({ blindness: "stream", alarms: [sampleAlarm({ priority: "low" })] }).pattern).toBe("low");
  });
});

describe("消音 at this station", () => {
  it("quiets what sounds, and says so", () => {
    const alarm = sampleAlarm();
    const sounding = decide({ alarms: [alarm], silences: silenced(alarm) });
    expect(sounding).toMatchObject({ pattern: null, allSilenced: true });
    expect(soundStateOf("armed", sounding)).toBe("silenced");
    expect(soundStateOf("blocked", sounding)).toBe("blocked");
  });

  it.each([
    ["a new raise", { last_raised_at: iso(9), occurrences: 2 }],
    ["an escalation", { escalation_level: 1 }],
    ["a higher priority", { priority: "critical" as const }],
  ])("ends with %s", (_what, more) => {
    const alarm = sampleAlarm();
    expect(decide({ alarms: [{ ...alarm, ...more }], silences: silenced(alarm) }).pattern).not.toBeNull();
  });

  it("does not reach another device", () => {
    const alarm = sampleAlarm();
    expect(decide({ alarms: [alarm, sampleAlarm({ alarm: 2 })], silences: silenced(alarm) }).pattern).toBe("high");
  });

  it("is not 已消音 when nothing would sound", () => {
    expect(soundStateOf("armed", decide({}))).toBe("armed");
  });
});

describe("patterns", () => {
  it("differ by rhythm, not only by pitch", () => {
    const rhythms = Object.values(patterns).map(rhythmOf);
    expect(new Set(rhythms).size).toBe(rhythms.length);
  });

  it("fit into their period and keep a floor of volume", () => {
    for (const pattern of Object.values(patterns)) {
      const last = pattern.pulses.at(-1)!;
      expect(last.at + last.length).toBeLessThan(pattern.period);
      expect(pattern.gain).toBeGreaterThanOrEqual(0.4);
    }
  });
});
