import { beforeEach, describe, expect, it } from "vitest";
import type { Session } from "../src/api/types";
import { beginSession, chooseSite, may, site } from "../src/store/session";

const name = (zh: string) => ({ zh, en: zh });
const opened: Session = {
  account: "1",
  name: "li",
  display_name: "李",
  station: "",
  roles: { guard: ["alarm.read"], safety_officer: ["alarm.read", "roster.edit"] },
  sites: [
    { site: "north", name: name("北校区"), roles: ["guard"] },
    { site: "south", name: name("南校区"), roles: ["guard", "safety_officer"] },
  ],
  second_factor: { state: "not_needed", methods: [] },
};

describe("the site that is shown", () => {
  beforeEach(() => {
    chooseSite("");
    beginSession(opened, "");
  });

  it("is the first until one is chosen, and the chosen one is remembered", () => {
    expect(site.value).toBe("north");
    chooseSite("south");
    expect(site.value).toBe("south");
    expect(localStorage.getItem("sanfang.site")).toBe("south");
  });

  it("is never one that went out of one's area", () => {
    chooseSite("south");
    beginSession({ ...opened, sites: opened.sites.slice(0, 1) }, "");
    expect(site.value).toBe("north");
  });

  it("has rights of its own: what one may elsewhere does not count here", () => {
    expect(may("roster.edit")).toBe(false);
    chooseSite("south");
    expect(may("roster.edit")).toBe(true);
  });
});
