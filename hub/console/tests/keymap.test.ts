import { describe, expect, it } from "vitest";
import { orderOf, type Place, type Pressed } from "../src/keys/keymap";

const press = (key: string, more: Partial<Pressed> = {}): Pressed => ({
  key,
  repeat: false,
  ctrl: false,
  alt: false,
  meta: false,
  ...more,
});
const wall = (more: Partial<Place> = {}): Place => ({
  screen: "wall",
  typing: false,
  onControl: false,
  dialog: "none",
  criticalWaits: false,
  ...more,
});

describe("keys on the wall", () => {
  it.each([
    ["ArrowDown", { order: "move", by: 1 }],
    ["ArrowUp", { order: "move", by: -1 }],
    ["1", { order: "pick", row: 0 }],
    ["9", { order: "pick", row: 8 }],
    [" ", { order: "acknowledge" }],
    ["v", { order: "verify" }],
    ["V", { order: "verify" }],
    ["q", { order: "silence" }],
    ["Enter", { order: "open" }],
    ["i", { order: "incident" }],
    ["Escape", { order: "back" }],
    ["?", { order: "help" }],
  ])("%s", (key, order) => {
    expect(orderOf(press(key), wall())).toEqual(order);
  });

  it("ignores auto-repeat of everything that acts; moving may repeat", () => {
    for (const key of [" ", "v", "q", "1", "Enter", "i", "Escape"]) {
      expect(orderOf(press(key, { repeat: true }), wall()), key).toBeNull();
    }
    expect(orderOf(press("ArrowDown", { repeat: true }), wall())).not.toBeNull();
  });

  it("leaves the browser's own combinations alone", () => {
    expect(orderOf(press("1", { ctrl: true }), wall())).toBeNull();
    expect(orderOf(press("v", { meta: true }), wall())).toBeNull();
  });

  it("has no key for 复位", () => {
    const orders = "abcdefghijklmnopqrstuvwxyz0".split("").map((key) => orderOf(press(key), wall())?.order);
    expect(orders).not.toContain("reset");
  });

  it("acknowledges with the bar even when a button kept the focus, but lets Enter press the button", () => {
    expect(orderOf(press(" "), wall({ onControl: true }))).toEqual({ order: "acknowledge" });
    expect(orderOf(press("Enter"), wall({ onControl: true }))).toBeNull();
  });

  it("does nothing while a person types, except to leave", () => {
    expect(orderOf(press(" "), wall({ typing: true }))).toBeNull();
    expect(orderOf(press("v"), wall({ typing: true }))).toBeNull();
    expect(orderOf(press("Escape"), wall({ typing: true }))).toEqual({ order: "back" });
  });
});

describe("keys in the verify panel", () => {
  const verifying = wall({ dialog: "verify" });

  it("choose result and cause, and submit", () => {
    expect(orderOf(press("ArrowRight"), verifying)).toEqual({ order: "chooseResult", by: 1 });
    expect(orderOf(press("2"), verifying)).toEqual({ order: "chooseCause", row: 1 });
    expect(orderOf(press("Enter"), verifying)).toEqual({ order: "submitVerify" });
  });

  it("never hold back the acknowledgement", () => {
    expect(orderOf(press(" "), verifying)).toEqual({ order: "acknowledge" });
    expect(orderOf(press(" "), wall({ dialog: "reset" }))).toEqual({ order: "acknowledge" });
  });

  it("go back to the list when a critical alarm waits", () => {
    const critical = wall({ dialog: "verify", criticalWaits: true });
    expect(orderOf(press("1"), critical)).toEqual({ order: "pick", row: 0 });
    expect(orderOf(press("ArrowUp"), critical)).toEqual({ order: "move", by: -1 });
    expect(orderOf(press("ArrowRight"), critical)).toBeNull();
    expect(orderOf(press("Escape"), critical)).toEqual({ order: "back" });
  });
});

describe("keys on other pages", () => {
  it("act on the alarm of its own page, but cannot move a selection that is out of sight", () => {
    const page = wall({ screen: "alarm" });
    expect(orderOf(press(" "), page)).toEqual({ order: "acknowledge" });
    expect(orderOf(press("ArrowDown"), page)).toBeNull();
    expect(orderOf(press("1"), page)).toBeNull();
  });

  it("acknowledge nothing where no alarm is in sight", () => {
    const page = wall({ screen: "other" });
    expect(orderOf(press(" "), page)).toBeNull();
    expect(orderOf(press("v"), page)).toBeNull();
    expect(orderOf(press("q"), page)).toEqual({ order: "silence" });
    expect(orderOf(press("Escape"), page)).toEqual({ order: "back" });
  });
});
