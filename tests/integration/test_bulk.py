"""A school's people and roster out as a workbook and YAML, changed by hand, and in again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from hub.bulk.application import apply_steps
from hub.bulk.content import load_known, write_xlsx, write_yaml
from hub.bulk.draft import draft_import
from hub.bulk.reading import read_file
from hub.bulk.workbook import OutSheet, WorkbookRefused, write_workbook
from hub.clock import utc_now
from hub.domain.permission import Role
from hub.store.database import connect
from hub.store.person import erase_person
from tests.integration.test_api_people import colleague, do, journal
from tests.running_api import RunningApi, prepare_site, run_api_here

SITE = "demo"
AT = f"/api/v1/sites/{SITE}/bulk"
PEOPLE = ["人员编号 *", "姓名 *", "岗位", "在岗"]
SHIFTS = ["班次号", "岗位", "人员编号", "星期", "日别", "开始", "结束", "轮班天数", "轮班当值", "轮班起点"]


@pytest.fixture
def api(any_database: str, tmp_path: Path) -> Iterator[RunningApi]:
    prepare_site(any_database)
    (tmp_path / "any.yaml").write_text("profile: any\n", encoding="utf-8")
    with run_api_here(any_database, tmp_path) as running:
        yield running


def book(**sheets: Sequence[Sequence[Any]]) -> bytes:
    return write_workbook([OutSheet(name, rows[0], rows[1:], {}) for name, rows in sheets.items()])


def send(client: httpx2.Client, data: bytes, form: str = "xlsx", status: int = 200, **query: Any) -> Any:
    answer = client.post(
        f"{AT}/{form}", content=data, params=query, headers={"Content-Type": "application/octet-stream"}
    )
    assert answer.status_code == status, answer.text
    return answer.json()


def fetch(client: httpx2.Client, name: str, **query: Any) -> bytes:
    answer = client.get(f"{AT}/{name}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.content


def school(api: RunningApi) -> bytes:
    with connect(api.settings.database, application="test") as connection:
        post = connection.execute(
            "SELECT post FROM post WHERE site = %s ORDER BY 1 LIMIT 1", (SITE,)
        ).fetchone()
    assert post is not None
    return book(
        人员=[PEOPLE, ["zhao-min", "张伟", post[0], "是"], ["qian-yu", "=1+1", None, None]],
        联系方式=[["人员编号", "方式", "号码"], ["zhao-min", "手机", "13800000001"], ["zhao-min", "微信", "z"]],
        资质=[["人员编号", "证书", "有效期至"], ["zhao-min", "保安员证", "2099/01/31"]],
        班次=[
            SHIFTS,
            [None, post[0], "zhao-min", "周一至周五", "上学日、考试日", "07:30", "19:00", None, None, None],
            [None, post[0], "qian-yu", None, None, "19:00", "07:30", 3, "0,1", "2026-09-01"],
        ],
        责任=[["区域", "职责", "人员编号", "责任"], [None, "消防安全", "qian-yu", "第一责任人"]],
    )


def test_from_a_workbook_to_the_roster_and_back(api: RunningApi) -> None:
    admin = api.administrator()
    data = school(api)
    draft = send(admin, data)
    assert draft["faults"] == [] and draft["applied"] == 0
    assert draft["added"] == {"person": 2, "shift": 2, "responsibility": 1}
    assert not [row for row in journal(api) if row["kind"].startswith("person.")], "a draft changes nothing"
    assert send(admin, data, apply=True)["applied"] == 5
    told = [
        row for row in journal(api) if row["kind"] in ("person.added", "shift.saved", "responsibility.saved")
    ]
    assert len(told) == 5 and not any("张伟" in row["text"] or "138" in row["text"] for row in told)
    again = send(admin, data, apply=True)
    assert (again["applied"], again["added"]) == (0, {"shift": 0} if again["added"] else {})
    assert again["unchanged"] == {"person": 2, "shift": 2, "responsibility": 1}
    # What is exported says the same, in both forms and languages.
    for form, query in (("xlsx", {"language": "zh"}), ("xlsx", {"language": "en"}), ("yaml", {})):
        out = fetch(admin, f"site.{form}", **query)
        same = send(admin, out, form, apply=True)
        assert same["faults"] == [] and (same["added"], same["changed"]) == ({}, {}), (form, query)
    rows = {sheet.name: sheet for sheet in read_file(fetch(admin, "site.xlsx"), "xlsx")}["人员"]
    assert rows.formulas == frozenset() and any("=1+1" in row for row in rows.rows), "text stays text"
    assert send(admin, fetch(admin, "template.xlsx"))["faults"] == []


FAULTY = {
    "人员": [
        PEOPLE,
        ["Zhang Wei", "张", None, None],
        ["qian-yu", None, None, None],
        ["wang", "王", "no-post", "也许"],
    ],
    "联系方式": [["人员编号", "方式", "号码"], ["nobody", "手机", "1"]],
    "班次": [SHIFTS, [99, "no-post", "nobody", "周八", None, "7", "25:00", None, "1", None]],
    "多余": [["x"], ["y"]],
}


def test_every_fault_is_told_by_sheet_row_and_column_and_nothing_is_done(api: RunningApi) -> None:
    admin = api.administrator()
    found = send(admin, book(**FAULTY), apply=True)
    assert found["applied"] == 0
    places = {(each["sheet"], each["row"], each["column"].split(" ")[0]) for each in found["faults"]}
    assert places >= {
        ("人员", 2, "A"),
        ("人员", 3, "B"),
        ("人员", 4, "D"),
        ("联系方式", 2, "A"),
        ("班次", 2, "D"),
        ("班次", 2, "G"),
        ("多余", 0, ""),
    }
    assert all(each["message"] for each in found["faults"])
    assert not [row for row in journal(api) if row["kind"].startswith(("person.", "shift."))]


@pytest.mark.parametrize(
    ("data", "form", "words"),
    [
        (b"", "xlsx", "save it as .xlsx"),
        (b"people: &a [*a]", "yaml", "aliases"),
        (b"people: {a: 1}", "yaml", "must be a list"),
        (b"people: [1]", "yaml", "row 2: must be columns"),
        ("人员: [".encode(), "yaml", "is no YAML"),
        (b"\xff\xfe", "yaml", "is not UTF-8"),
        (b"[" * 500, "yaml", "too deep"),
        # the parser has a bound of its own since libyaml 0.2.6, and may meet it first
        (b"[" * 100_000, "yaml", "too deep|nesting depth"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(data: bytes, form: Any, words: str) -> None:
    with pytest.raises(WorkbookRefused, match=words):
        read_file(data, form)


def test_contacts_and_imports_are_for_those_who_may(api: RunningApi) -> None:
    admin = api.administrator()
    send(admin, school(api), apply=True)
    guard, auditor = colleague(api, Role.GUARD, "guard"), colleague(api, Role.AUDITOR, "auditor")
    for client in (guard, auditor):
        send(client, school(api), status=403)
        assert client.get(f"{AT}/site.xlsx").status_code == 403
    assert admin.get("/api/v1/sites/elsewhere/bulk/site.xlsx").status_code == 404
    with connect(api.settings.database, application="test") as connection:
        known = load_known(connection, SITE)
    assert b"13800000001" in write_yaml(known)
    assert b"13800000001" not in write_yaml(known, contacts=False)
    assert "联系方式" not in {
        sheet.name for sheet in read_file(write_xlsx(known, "zh", contacts=False), "xlsx")
    }


def test_an_import_of_hundreds_takes_many_turns_and_says_where_it_stopped(api: RunningApi) -> None:
    admin = api.administrator()
    names = [[f"p-{number}", f"人{number}", None, None] for number in range(250)]
    data = yaml.safe_dump({"people": [{"person": row[0], "name": row[1]} for row in names]}, allow_unicode=True)
    with connect(api.settings.database, application="test") as connection:
        draft = draft_import(read_file(data.encode(), "yaml"), load_known(connection, SITE))
    assert len(draft.steps) == 250 and not draft.faults
    # Somebody erases a person between the draft and its turn: what came before stands, and it says where.
    do(admin, "/people/p-120", name="人")
    with connect(api.settings.database, application="test") as connection:
        erase_person(connection, SITE, "p-120", utc_now())
    done = apply_steps(
        lambda: connect(api.settings.database, application="test"), SITE, "a-1", "", draft.steps, utc_now
    )
    assert done.done == 120 and done.fault is not None and done.fault.row == 122
    assert "was erased" in done.fault.message and done.turns >= 2
    with connect(api.settings.database, application="test") as connection:
        assert len(load_known(connection, SITE).people.keys() & {row[0] for row in names}) == 121


ZONES = ["区域编号 *", "名称 *", "类型 *", "部位等级", "位于", "重点部位类别"]
DEVICES = ["设备编号 *", "名称 *", "类别 *", "区域编号 *", "网关 *", "连接 *", "型号配置 *", "联动指令"]
POINTS = ["设备编号 *", "点位地址 *", "名称", "区域编号"]


def test_zones_and_devices_come_with_a_workbook(api: RunningApi) -> None:
    admin, bursar = api.administrator(), colleague(api, Role.SAFETY_OFFICER, "bursar")
    data = book(
        区域=[
            ZONES,
            ["lab-1", "=1+1 实验室", "房间", "敏感部位", "science", "危险化学品储存室、实验室"],
            ["science", "科学楼", "建筑", None, None, None],
            ["hall", "教学楼", "建筑", "重点部位", None, None],
        ],
        设备=[DEVICES, ["panel", "主机", "火灾报警", "science", "e1", "mqtt", "any", None]],
        点位=[POINTS, ["panel", 7, "感烟 7", "lab-1"], ["door", 2, "后门", None]],
    )
    draft = send(admin, data)
    assert draft["faults"] == [] and draft["applied"] == 0
    assert (draft["added"], draft["changed"]) == ({"zone": 2, "device": 1}, {"zone": 1, "device": 1})
    assert send(bursar, data, status=403)["code"] == "not_allowed", "an import changes the site for nobody else"
    assert send(admin, data, apply=True)["applied"] == 5
    assert send(admin, data, apply=True)["unchanged"] == {"zone": 3, "device": 2}
    told = admin.get(f"/api/v1/sites/{SITE}/places").json()
    zones = {each["zone"]: each for each in told["zones"]}
    assert (zones["lab-1"]["key_location"], zones["lab-1"]["parent"]) == ("chemicals", "science")
    assert zones["lab-1"]["name"]["zh"] == "=1+1 实验室" and zones["hall"]["class"] == "key"
    devices = {each["device"]: each for each in told["devices"]}
    assert devices["panel"]["addresses"]["7"]["zone"] == "lab-1"
    assert set(devices["door"]["addresses"]) == {"1", "2"}, "what the file does not name stays"
    assert devices["door"]["writes"] == ["door.release"]
    for form in ("yaml", "xlsx"):
        empty = fetch(bursar, f"site.{form}")
        assert send(bursar, empty, form)["faults"] == [], "a sheet without rows changes nothing"
    out = fetch(bursar, "site.xlsx", language="en")
    assert send(bursar, out)["faults"] == [], "what is as it was may be sent by whoever may import"


def test_faults_of_places_are_told_where_they_stand(api: RunningApi) -> None:
    admin = api.administrator()
    data = book(
        区域=[ZONES, ["a", "甲", "房间", None, "b", None], ["b", "乙", "房间", None, "a", None]],
        设备=[
            DEVICES,
            ["x", "设", "火灾报警", "nowhere", "e1", "mqtt", "any", None],
            ["y", "设", "火灾报警", "a", "e1", "none", "other", "开飞船"],
            ["z", "设", "火灾报警", "a", "e1", "none", "other", None],
        ],
        点位=[POINTS, ["x", 1, "点", "nowhere"], ["nobody", 1, "点", None]],
    )
    told = send(admin, data, apply=True)
    found = {(each["sheet"], each["row"], each["column"].split(" ")[0]) for each in told["faults"]}
    assert found == {
        *(("区域", 2, "E"), ("区域", 3, "E"), ("设备", 2, "D"), ("设备", 3, "H"), ("设备", 4, "F")),
        *(("设备", 4, "G"), ("点位", 2, "D"), ("点位", 3, "A")),
    }
    assert told["applied"] == 0
    assert admin.get(f"/api/v1/sites/{SITE}/places").json()["version"] == 1
