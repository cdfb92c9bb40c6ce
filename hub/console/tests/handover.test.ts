import { describe, expect, it } from "vitest";
import { actsOn, sizeOf, type Handover } from "../src/desk/handover/acts";

const signed = { handover: 1, state: "signed", from_account: "a-1" } as Handover;

describe("a hand-over", () => {
  it("is withdrawn by who signed it, and taken or refused by another; never both by one", () => {
    expect(actsOn(signed, "a-1", true)).toEqual(["withdraw"]);
    expect(actsOn(signed, "a-2", true)).toEqual(["take", "refuse"]);
    expect(actsOn(signed, "a-2", false)).toEqual([]);
    for (const state of ["acknowledged", "refused", "withdrawn"] as const) expect(actsOn({ ...signed, state }, "a-2", true)).toEqual([]);
  });

  it("names how much is open, also of a list that lacks the younger parts", () => {
    expect(sizeOf({})).toBe(0);
    expect(sizeOf({ silent_devices: ["d"], out_of_service: [{ device: "p", address: "1", kind: "fire.isolated" }] })).toBe(2);
  });
});
