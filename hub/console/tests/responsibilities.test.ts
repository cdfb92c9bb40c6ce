import { describe, expect, it } from "vitest";
import { cellOf, type Entry } from "../src/desk/responsibilities/acts";

let number = 0;
const entry = (zone: string | null, person: string, rest: Partial<Entry> = {}): Entry => ({
  responsibility: ++number,
  zone,
  duty: "fire",
  person,
  name: null,
  rank: "first",
  valid_from: null,
  valid_to: null,
  ...rest,
});
const parents = new Map([["campus", null], ["hall", "campus"], ["lab", "hall"]]);
const cell = (entries: Entry[], zone: string | null, duty = "fire") => {
  const found = cellOf(entries, parents, zone, duty, "2026-03-01");
  return [found.own.map((each) => each.person), found.inherited.map((each) => each.person)];
};

describe("a cell of the matrix", () => {
  it("has what is entered there, the first one before deputies, and nothing from around it", () => {
    const entries = [entry("lab", "deputy", { rank: "deputy" }), entry("lab", "first"), entry("hall", "around")];
    expect(cell(entries, "lab")).toEqual([["first", "deputy"], []]);
  });

  it("has what the nearest place around it has, the whole site at last, and only of that duty", () => {
    const entries = [entry("campus", "far"), entry("hall", "near"), entry(null, "site"), entry("hall", "gas", { duty: "gas" })];
    expect(cell(entries, "lab")).toEqual([[], ["near"]]);
    expect(cell(entries, "lab", "gas")).toEqual([[], ["gas"]]);
    expect(cell([entries[2]!], "lab")).toEqual([[], ["site"]]);
    expect(cell(entries, null)).toEqual([["site"], []]);
  });

  it("keeps an entry in sight that is over or to come, and asks the place around it for today", () => {
    const over = entry("lab", "over", { valid_to: "2026-02-28" });
    const today = entry("lab", "today", { valid_from: "2026-03-01", valid_to: "2026-03-01" });
    expect(cell([over, entry("hall", "near")], "lab")).toEqual([["over"], ["near"]]);
    expect(cell([over, today, entry("hall", "near")], "lab")).toEqual([["over", "today"], []]);
  });

  it("ends where zones stand in a ring", () => {
    expect(cellOf([], new Map([["a", "b"], ["b", "a"]]), "a", "fire", "2026-03-01")).toEqual({ own: [], inherited: [] });
  });
});
