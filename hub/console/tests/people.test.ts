import { describe, expect, it } from "vitest";
import { faultOfQualifications, newPersonId, worstOf, type Person, type QualificationState } from "../src/desk/people/acts";

function holding(...states: QualificationState[]): Person {
  const qualifications = states.map((state) => ({
    kind: state,
    name: { zh: state, en: state },
    number: "",
    issued_on: null,
    expires_on: null,
    state,
  }));
  return { person: "p-1", name: "李", account: null, active: true, erased: false, posts: [], qualifications, contacts: null };
}

describe("what a person holds", () => {
  it("is as good as the worst of it, and nothing is not good", () => {
    expect(worstOf(holding("good", "expired", "expiring"))).toBe("expired");
    expect(worstOf(holding("good", "expiring"))).toBe("expiring");
    expect(worstOf(holding())).toBeNull();
  });

  it("is entered once a kind, and ends after it began", () => {
    const row = { kind: "health", issued_on: "2026-01-01", expires_on: "2026-12-31" };
    expect(faultOfQualifications([row, { ...row, kind: "first_aid", issued_on: "" }])).toBe("none");
    expect(faultOfQualifications([row, row])).toBe("twice");
    expect(faultOfQualifications([{ ...row, expires_on: "2025-12-31" }])).toBe("order");
  });
});

it("a new person's id is a name the hub takes, and says nothing of the person", () => {
  expect(newPersonId()).toMatch(/^p-[0-9a-f]{12}$/);
  expect(newPersonId()).not.toBe(newPersonId());
});
