import { afterEach, describe, expect, it } from "vitest";
import type { Session } from "../src/api/types";
import { awaited, beginSession, session } from "../src/store/session";

const opened = (state: Session["second_factor"]["state"]): Session => ({
  account: "a-1",
  name: "wei",
  display_name: "张伟",
  station: "room",
  roles: {},
  sites: [],
  second_factor: { state, methods: ["totp", "recovery"] },
});

describe("the second step of a log-in", () => {
  afterEach(() => {
    session.value = null;
    awaited.value = null;
  });

  it("opens nothing while it is awaited", () => {
    beginSession(opened("awaited"), "room");
    expect(session.value).toBeNull();
    expect(awaited.value?.name).toBe("wei");
  });

  it("opens the console once it was shown, or is not needed", () => {
    beginSession(opened("awaited"), "room");
    beginSession(opened("shown"), "room");
    expect([session.value?.name, awaited.value]).toEqual(["wei", null]);
    beginSession(opened("needed"), "room");
    expect(session.value?.second_factor.state).toBe("needed");
  });
});
