import { describe, expect, it } from "vitest";
import type { JournalRow } from "../src/api/types";
import { isNoSpan, offersOf } from "../src/desk/hazards/acts";
import { matches, withLive, type Wanted } from "../src/desk/journal/search";
import { csvOf, sortRows, type Column } from "../src/desk/frame/table";
import { useForm } from "../src/desk/frame/form";
import { ApiError } from "../src/api/client";
import { localText, momentOf } from "../src/format/zoned";

const anything: Wanted = { kind: "", subject: "", actor: "", peopleOnly: false, since: null, to: null };
const row = (seq: number, more: Partial<JournalRow> = {}): JournalRow => ({
  seq,
  at: `2026-03-01T08:00:0${seq}.000Z`,
  actor: "7",
  actor_name: null,
  subject: `alarm:${seq}`,
  kind: "alarm.raised",
  body: {},
  ...more,
});

describe("the journal's filter", () => {
  it.each([
    [{ kind: "alarm." }, true],
    [{ kind: "alarm" }, false],
    [{ kind: "alarm.raised" }, true],
    [{ subject: "alarm:" }, true],
    [{ subject: "alarm:1" }, false],
    [{ actor: "8" }, false],
    [{ peopleOnly: true }, true],
    [{ since: Date.parse("2026-03-01T08:00:02Z"), to: Date.parse("2026-03-01T08:00:03Z") }, true],
    [{ to: Date.parse("2026-03-01T08:00:02Z") }, false],
  ] as [Partial<Wanted>, boolean][])("takes %j as the hub does", (wanted, fits) => {
    expect(matches(row(2), { ...anything, ...wanted })).toBe(fits);
  });

  it("puts what came since on top, once, and says when something between is missing", () => {
    const read = [row(3), row(1)];
    const live = [row(5), row(4, { kind: "hazard.reported" }), row(3)];
    expect(withLive(read, 3, live, { ...anything, kind: "alarm." })).toEqual({ rows: [row(5), ...read], whole: true });
    expect(withLive(read, 2, [row(5)], anything).whole).toBe(false);
    expect(withLive(read, 5, live, anything).whole).toBe(true);
  });
});

describe("tables", () => {
  const columns: Column<{ n: number; name: string }>[] = [
    { key: "n", name: "No.", text: (each) => String(each.n), order: (each) => each.n },
    { key: "name", name: "Name", text: (each) => each.name },
  ];
  const rows = [
    { n: 10, name: "=1+1" },
    { n: 9, name: 'a "b", c' },
  ];

  it("sort numbers as numbers, and back", () => {
    expect(sortRows(rows, columns, "n").map((each) => each.n)).toEqual([9, 10]);
    expect(sortRows(rows, columns, "-n").map((each) => each.n)).toEqual([10, 9]);
    expect(sortRows(rows, columns, "nothing")).toEqual(rows);
  });

  it("export no formula", () => {
    expect(csvOf(rows, columns)).toBe('\ufeffNo.,Name\r\n10,\'=1+1\r\n9,"a ""b"", c"\r\n');
  });
});

describe("forms", () => {
  it("say what is wrong once a field was touched, send nothing until it is right, and show the hub's word", async () => {
    const form = useForm({ name: "" }, (values) => ({ name: values.name === "" ? "is missing" : "" }));
    let sent = 0;
    expect(form.problemOf("name")).toBe("");
    expect(await form.submit(async () => sent++)).toBe(false);
    expect([sent, form.problemOf("name")]).toEqual([0, "is missing"]);
    form.values.name = "x";
    const refuse = async () => {
      throw new ApiError(422, "invalid", "is taken; choose another", "body.name");
    };
    expect(await form.submit(refuse)).toBe(false);
    expect(form.problemOf("name")).toBe("is taken; choose another");
    form.values.name = "y";
    expect(form.problemOf("name")).toBe("");
    expect(await form.submit(async () => sent++)).toBe(true);
    expect(sent).toBe(1);
  });
});

describe("hazards", () => {
  it("offer what the state and the role allow", () => {
    const acts = (state: string, ...mays: string[]) =>
      offersOf({ state } as never, (permission) => mays.includes(permission)).map((offer) => offer.act);
    expect(acts("submitted", "hazard.handle")).toEqual([]);
    expect(acts("submitted", "hazard.close")).toEqual(["close", "reject"]);
    expect(acts("reported", "hazard.handle", "hazard.close")).toEqual(["confirm", "dismiss"]);
    expect(acts("dismissed", "hazard.handle", "hazard.close")).toEqual([]);
  });

  it("take days that are days", () => {
    expect(["", "0", "-1", "x", "366", "0.5", "7"].map(isNoSpan)).toEqual([false, true, true, true, true, false, false]);
  });
});

describe("times in a form", () => {
  it("are the site's, whatever the machine's zone", () => {
    const at = Date.parse("2026-03-01T16:30:00Z");
    expect(localText(at, "Asia/Shanghai")).toBe("2026-03-02T00:30");
    expect(momentOf("2026-03-02T00:30", "Asia/Shanghai")).toBe(at);
    expect(momentOf("2026-07-01T12:00", "Europe/Berlin")).toBe(Date.parse("2026-07-01T10:00Z"));
    expect(momentOf("", "Asia/Shanghai")).toBeNull();
  });
});
