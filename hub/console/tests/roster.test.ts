import { describe, expect, it } from "vitest";
import type { Block, PostWeek, Shift } from "../src/desk/roster/acts";
import { bodyOf, faultOfPattern, patternOf } from "../src/desk/roster/pattern";
import { dayAfter, gapsOf, sortPosts, stretchesOf } from "../src/desk/roster/week";

const zone = "Asia/Shanghai";
/** Hours of 1 March by the site's clock. */
const hour = (h: number) => new Date(Date.UTC(2026, 1, 28, 16 + h)).toISOString();
const wei = { person: "wei", name: "张伟", shift: 1, zone: null, instead_of: null };
const block = (from: number, to: number, ...standings: Block["standings"]): Block => ({ begins: hour(from), ends: hour(to), standings });
const post = (name: string, needed: string[], ...blocks: Block[]): PostWeek => ({
  post: name,
  name: { zh: name, en: name },
  needed_by: needed,
  blocks,
});

describe("the week", () => {
  it("cuts a night in two days, and keeps a gap as a stretch of its own", () => {
    const blocks = [block(0, 7), block(7, 19, wei), block(19, 31, wei)];
    const now = Date.parse(hour(8));
    expect(stretchesOf(blocks, "2026-03-01", zone, now)).toEqual([
      { from: "00:00", to: "07:00", standings: [], current: false },
      { from: "07:00", to: "19:00", standings: [wei], current: true },
      { from: "19:00", to: "24:00", standings: [wei], current: false },
    ]);
    expect(stretchesOf(blocks, "2026-03-02", zone, now).map((each) => each.to)).toEqual(["07:00"]);
    expect(stretchesOf(blocks, "2026-03-03", zone, now)).toEqual([]);
  });

  it("puts posts with a gap to come first, and among them those that a plan needs", () => {
    const now = Date.parse(hour(8));
    const posts = [
      post("full", ["fire"], block(0, 24, wei)),
      post("past", ["fire"], block(0, 7), block(7, 24, wei)),
      post("spare", [], block(9, 24)),
      post("needed", ["fire"], block(7, 24)),
    ];
    expect(sortPosts(posts, now).map((each) => each.post)).toEqual(["needed", "spare", "full", "past"]);
    expect(gapsOf(posts, now)).toBe(2);
  });

  it("knows the day after the last of a month", () => {
    expect(dayAfter("2026-02-28")).toBe("2026-03-01");
    expect(dayAfter("2026-03-01", -7)).toBe("2026-02-22");
  });
});

describe("the days of a shift", () => {
  const today = "2026-03-01";
  const rotating = { days: [1, 2, 3, 4, 5, 6, 7], cycle: { days: 4, on: [0, 3], since: "2026-02-01" } } as Shift;

  it("come back as they went: a cycle counts from 1 on the screen, from 0 at the hub", () => {
    const pattern = patternOf(rotating, today);
    expect([...pattern.on]).toEqual([1, 4]);
    expect(bodyOf(pattern)).toEqual({ days: rotating.days, cycle: rotating.cycle });
    expect(bodyOf({ ...pattern, rotates: false, days: new Set([5, 1]) })).toEqual({ days: [1, 5], cycle: null });
    expect(bodyOf({ ...pattern, days: new Set() }).days).toHaveLength(7);
  });

  it("leave out what a shortened cycle no longer has, and are never none", () => {
    const pattern = patternOf(rotating, today);
    expect(bodyOf({ ...pattern, length: 3 }).cycle?.on).toEqual([0]);
    expect(faultOfPattern({ ...pattern, length: 3, on: new Set([4]) })).toBe("days");
    expect(faultOfPattern({ ...pattern, length: Number.NaN })).toBe("length");
    expect(faultOfPattern({ ...pattern, since: "" })).toBe("since");
    expect(faultOfPattern({ ...patternOf(null, today), days: new Set() })).toBe("days");
    expect([pattern, patternOf(null, today)].map(faultOfPattern)).toEqual(["none", "none"]);
  });
});
