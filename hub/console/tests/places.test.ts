import { describe, expect, it } from "vitest";
import { faultOfName, rowsOf, seenBy, siblingsOf, treeOf, valueOf, within, type Device, type Zone } from "../src/desk/places/acts";

const zone = (name: string, parent: string | null = null): Zone => ({
  zone: name,
  parent,
  name: { zh: name, en: name },
  class: "general",
  kind: "room",
  key_location: null,
});
const device = (name: string, where: string) => ({ device: name, zone: where, name: { zh: name, en: name } }) as Device;
const zones = [zone("hall"), zone("b", "hall"), zone("a", "hall"), zone("inner", "a"), zone("lost", "gone")];
const names = (words: string) => rowsOf(treeOf(zones, [device("button", "inner")]), words).map((each) => each.zone.zone);

describe("the tree of zones", () => {
  it("keeps their order and hides none", () => {
    expect(names("")).toEqual(["hall", "b", "a", "inner", "lost"]);
    expect(treeOf(zones, [])[0]!.branches[1]!.branches[0]!.depth).toBe(2);
  });
  it("shows what was looked for with the zones around it", () => {
    expect(names("BUTTON")).toEqual(["hall", "a", "inner"]);
    expect(names("nothing")).toEqual([]);
  });
  it("does not offer a zone a place in itself", () => {
    expect([...within(zones, "a")].sort()).toEqual(["a", "inner"]);
    expect(siblingsOf(zones, zones[2]!)).toEqual(["b", "a"]);
  });
});

describe("a form that stood open while others worked", () => {
  it("is saved on the present version only where nobody changed its own entry", () => {
    expect(seenBy(zones[0]!, { ...zones[0]! }, 3, 5)).toBe(5);
    expect(seenBy(zones[0]!, { ...zones[0]!, class: "key" }, 3, 5)).toBe(3);
    expect(seenBy(zones[0]!, undefined, 3, 5)).toBe(3);
    expect(seenBy(null, undefined, 3, 5)).toBe(5);
  });
});

describe("what is typed", () => {
  it("is a name or says why not", () => {
    expect([faultOfName("a-1", []), faultOfName("A 1", []), faultOfName("a", ["a"])]).toEqual(["", "name", "taken"]);
  });
  it("is a number only where it stays the same as one", () => {
    expect(["7", "-0.5", "007", "true", "1e3", "x"].map(valueOf)).toEqual([7, -0.5, "007", true, "1e3", "x"]);
  });
});
