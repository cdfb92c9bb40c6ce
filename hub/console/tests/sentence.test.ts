import { describe, expect, it } from "vitest";
import { inOneLine, placeOf, sentenceOf, sentenceOfUnreceipted, type Moment } from "../src/alarm/sentence";
import { spanInWords, timeWithDay } from "../src/format/time";
import { iso, noon, sampleAlarm, sampleItem } from "./sample";

const zh: Moment = { now: noon + 12_000, zone: "Asia/Shanghai", language: "zh", blind: false };
const en: Moment = { ...zh, language: "en" };

describe("an alarm reads like a sentence", () => {
  it("says what, where, since when, what to do, what happens next", () => {
    expect(inOneLine(sentenceOf(sampleAlarm(), zh), "zh")).toBe(
      "火警（单点，未核实） · 教学楼 3 层 301 实验室 · 14:03:22 已 12 秒 · 派人核实 · 48 秒后升级 → 带班领导 刘志远",
    );
    expect(inOneLine(sentenceOf(sampleAlarm(), en), "en")).toBe(
      "Fire (single detector, unverified) · Laboratory 301, 3rd floor, Teaching building · 14:03:22 12 s so far · " +
        "Send someone to verify · escalates in 48 s → duty leader 刘志远",
    );
  });

  it("marks a drill first", () => {
    expect(sentenceOf(sampleAlarm({ exercise: true }), zh).marks[0]).toBe("演练");
  });

  it("names the device when nothing better is known", () => {
    const bare = sampleAlarm({ device_name: null, zone_path: [], subject: "edge:demo" });
    expect(sentenceOf(bare, zh).source).toBe("edge:demo");
  });

  it("does not say a place twice", () => {
    const path = [
      { zh: "教学楼", en: "teaching building" },
      { zh: "教学楼三层", en: "teaching 3rd floor" },
    ];
    expect(placeOf(path, "zh")).toBe("教学楼三层");
  });
});

describe("what happens next", () => {
  const next = (more: Parameters<typeof sampleAlarm>[0], moment = zh) => sentenceOf(sampleAlarm(more), moment).next;

  it("counts down to the escalation, then says that it is due", () => {
    expect(next({}, { ...zh, now: noon + 61_000 })).toBe("升级已到时，正在通知 带班领导 刘志远");
    expect(next({ next_escalation_at: null })).toBe("不再升级");
  });

  it("claims no escalation when the hub is not heard", () => {
    expect(next({}, { ...zh, blind: true })).toBe("是否在升级：不知道，请直接通知上级");
  });

  it("names the next of the four acts", () => {
    expect(next({ state: "acknowledged" })).toBe("下一步：核警");
    expect(next({ state: "latched", verification: "false", active: false })).toBe("下一步：复位");
    expect(next({ state: "latched", verification: "real", active: true })).toBe("等待现场恢复");
    expect(next({ state: "acknowledged", verification: "real", nature: "plain" })).toBe("现场恢复后关闭");
  });
});

describe("an item without a receipt", () => {
  it("says that it is neither judged nor stored, and that nothing escalates", () => {
    const sentence = sentenceOfUnreceipted(sampleItem(), zh);
    expect(sentence.marks).toEqual(["未判定 · 未存储"]);
    expect(sentence.next).toContain("没有在升级");
  });
});

describe("times", () => {
  it("speaks spans in words and never a negative one", () => {
    expect(spanInWords(-5, "zh")).toBe("0 秒");
    expect(spanInWords(185_000, "zh")).toBe("3 分 05 秒");
    expect(spanInWords(7_500_000, "en")).toBe("2 h 05 min");
    expect(spanInWords(97_200_000, "zh")).toBe("27 小时 00 分");
    expect(spanInWords(97_200_000 * 2, "zh")).toBe("2 天 6 小时");
  });

  it("adds the day when it is not today's, by the site's own midnight", () => {
    const before = Date.parse("2026-03-01T15:59:59Z");
    const after = Date.parse("2026-03-01T16:00:01Z");
    expect(timeWithDay(before, before, "Asia/Shanghai")).toBe("23:59:59");
    expect(timeWithDay(before, after, "Asia/Shanghai")).toBe("03-01 23:59:59");
    expect(timeWithDay(Date.parse(iso(0)), noon, "Asia/Shanghai")).toBe("14:03:22");
  });
});
