import { afterEach, describe, expect, it } from "vitest";
import type { Session } from "../src/api/types";
import { everywhere, invitationLink, overArea, reachOf, type Account, type Role } from "../src/desk/accounts/acts";
import { reachName } from "../src/desk/accounts/reach";
import type { Person } from "../src/desk/people/acts";
import { ownersOf } from "../src/desk/phones/acts";
import { groupOffers, stateOf, type Token } from "../src/desk/tokens/acts";
import { isKeyed, phonePage } from "../src/router";
import { accessPages } from "../src/store/access";
import { session } from "../src/store/session";

const as = (roles: Record<string, string[]>): Session => ({
  account: "a-1",
  name: "wei",
  display_name: "张伟",
  station: "room",
  roles,
  sites: [{ site: "s1", name: { zh: "第一小学", en: "First" }, roles: Object.keys(roles) }],
  second_factor: { state: "shown", methods: ["totp"] },
});

describe("where a role holds", () => {
  it("is a site, an area with its city, or everywhere; never everywhere by leaving something out", () => {
    expect(reachOf("s1", "成都", "")).toEqual({ site: "s1", area: [] });
    expect(reachOf(everywhere, "", "")).toEqual({ site: null, area: [] });
    expect(reachOf(overArea, " 成都 ", "")).toEqual({ site: null, area: ["成都"] });
    expect(reachOf(overArea, "成都", "武侯")).toEqual({ site: null, area: ["成都", "武侯"] });
    expect(reachOf(overArea, " ", "武侯")).toBeNull();
  });

  it("is said by the site's name where one knows it", () => {
    session.value = as({});
    expect(reachName({ site: "s1", area: [] })).toBe("第一小学");
    expect(reachName({ site: "s9", area: [] })).toBe("s9");
    expect(reachName({ site: null, area: ["成都", "武侯"] })).toBe("成都 › 武侯");
  });
});

describe("the pages about who may come in", () => {
  afterEach(() => void (session.value = null));

  it("are those that one's roles allow", () => {
    expect(accessPages.value).toEqual([]);
    session.value = as({ guard: ["alarm.read"] });
    expect(accessPages.value).toEqual([]);
    session.value = as({ safety_officer: ["phone.enrol"], auditor: ["account.read"] });
    expect(accessPages.value).toEqual(["accounts", "phones"]);
  });
});

describe("a link with a key", () => {
  it("keeps its key behind the #, where no server sees it, and opens without a log-in", () => {
    const link = new URL(invitationLink("https://school.example", "a-b_c"));
    expect([link.pathname, link.search]).toEqual(["/", ""]);
    expect(isKeyed(link.hash.slice(1))).toBe(true);
    expect(["/", "/phones", "/invitation", "/accounts"].some(isKeyed)).toBe(false);
  });
});

describe("a guard's phone", () => {
  it("comes by what its QR code says, and by nothing like it", () => {
    expect(phonePage("/phone", "#aB-9_x")).toBe("/#/phone/aB-9_x");
    expect(isKeyed("/phone/aB-9_x")).toBe(true);
    expect([phonePage("/phone", ""), phonePage("/phone", "#/alarms"), phonePage("/", "#aB")]).toEqual([null, null, null]);
  });

  it("is a guard's, or of somebody here whose roles one does not see; never of one who is known to be none", () => {
    const account = (id: string, role: Role, state: Account["state"] = "active") =>
      ({ account: id, name: id, display_name: id, state, grants: [{ role }] }) as unknown as Account;
    const person = (id: string, has: string | null, active = true) =>
      ({ person: id, name: id, account: has, active }) as unknown as Person;
    const accounts = [account("g", "guard"), account("off", "guard", "disabled"), account("boss", "principal")];
    const people = [person("Bo", "boss"), person("Unseen", "u"), person("Left", "l", false), person("None", null)];
    expect(ownersOf(accounts, people).map((each) => each.value)).toEqual(["g", "u"]);
  });
});

describe("a token", () => {
  it("works until it is revoked or over", () => {
    const token = { expires_at: "2026-01-02T00:00:00Z", revoked_at: null } as Token;
    const [before, after] = [Date.parse("2026-01-01T23:59:59Z"), Date.parse("2026-01-02T00:00:00Z")];
    expect([stateOf(token, before), stateOf(token, after)]).toEqual(["active", "expired"]);
    expect(stateOf({ ...token, revoked_at: "2026-01-01T00:00:00Z" }, after)).toBe("revoked");
  });

  it("is offered permissions by their nouns", () => {
    const offer = (permission: string) => ({ permission, name: { zh: permission, en: permission } });
    const groups = groupOffers([offer("alarm.read"), offer("site.read"), offer("alarm.note")]);
    expect(groups.map((each) => [each.noun, each.offers.length])).toEqual([["alarm", 2], ["site", 1]]);
  });
});
