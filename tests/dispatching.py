"""A small school in a real database, with its rules, and its days as transcripts: judge, apply, look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any, LiteralString

from hub.dispatch.act import apply_act
from hub.dispatch.due import work_due
from hub.dispatch.verdict import apply_verdicts
from hub.domain.act import Act
from hub.domain.alarm import Alarm, AlarmState
from hub.domain.command import Command, CommandState
from hub.domain.hazard import Hazard
from hub.domain.incident import Incident, IncidentState
from hub.domain.judgement import Input
from hub.domain.roster import EVERY_DAY, Shift
from hub.rulebook.book import RuleBook, load_book
from hub.rules.engine import Engine
from hub.store.alarm import read_alarm
from hub.store.checkpoint import save_checkpoints
from hub.store.command import read_command
from hub.store.condition import ConditionState, save_conditions
from hub.store.database import Connection, connect, fetch_all, site_turn, transaction
from hub.store.hazard import read_hazard
from hub.store.incident import read_incident
from hub.store.journal import read_journal
from hub.store.person import PersonSheet
from hub.store.seed import PeopleTables
from hub.store.site import SiteTables, load_site_model, save_site
from hub.store.view import evidence_of
from tests.ruling import MODEL, START

SITE = "school"
ROOT = Path(__file__).parents[1] / "config"
WRITES = ["door.release", "door.restore", "door.lock", "door.pulse"]


def _name(text: str) -> dict[str, str]:
    return {"zh": text, "en": text}


def _devices() -> dict[str, dict[str, Any]]:
    devices: dict[str, dict[str, Any]] = {}
    for fact in MODEL.devices.values():
        configuration: dict[str, Any] = {
            "addresses": {address: {"zone": zone} for address, zone in fact.address_zones.items()}
        }
        if fact.device == "east-door":
            configuration |= {"writes": WRITES, "parameters": {"escape": True}}
        devices[fact.device] = _device(fact.family, fact.zone, configuration)
    devices["siren"] = _device("broadcast", "teaching", {"writes": ["siren.on", "siren.off"]})
    devices["canteen-door"] = _device("access_control", "canteen", {"writes": WRITES})
    devices["controller"] = _device(
        "access_control",
        "canteen",
        {
            "writes": ["door.release", "door.restore"],
            "addresses": {"1": {"zone": "teaching-3f"}, "2": {"zone": "canteen"}},
        },
    )
    return devices


def _device(family: str, zone: str, configuration: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": _name(family),
        "family": family,
        "zone": zone,
        "edge": "edge",
        "connection": "c",
        "profile": "p",
        "configuration": configuration,
        "active": True,
    }


def make_school(dsn: str) -> None:
    """Put the school of `tests.ruling` into a migrated database, with posts and a roster."""
    posts = [
        "security-room",
        "security-chief",
        "gate-guard",
        "patrol-guard",
        "duty-leader",
        "safety-vice-principal",
        "principal",
        "school-doctor",
        "floor-warden",
        "electrician",
        "maintenance",
        "canteen-manager",
    ]
    tables = SiteTables(
        site=SITE,
        name=_name("学校"),
        area=["市", "县"],
        time_zone="Asia/Shanghai",
        escalation={
            "critical_s": [30, 60, 120],
            "other_s": [90, 180, 300],
            "posts": ["duty-leader", "safety-vice-principal", "principal"],
        },
        zones={
            zone: {
                "parent": parent,
                "name": _name(zone),
                "class": MODEL.zone_classes.get(zone, "general"),
                "kind": MODEL.zone_kinds[zone],
                "ordinal": number,
            }
            for number, (zone, parent) in enumerate(MODEL.zone_parents.items())
        },
        edges={"edge": {"name": _name("edge"), "active": True}},
        devices=_devices(),
        posts={post: {"name": _name(post), "ordinal": number} for number, post in enumerate(posts)},
        people=PeopleTables(
            persons={f"p-{post}": PersonSheet("人") for post in posts},
            shifts=[
                Shift(post, f"p-{post}", EVERY_DAY, time(0), time(0)) for post in posts if post != "electrician"
            ],
        ),
    )
    with connect(dsn, application="test") as connection, transaction(connection):
        save_site(connection, tables, version=1, digest="1", at=START)


class School:
    """The school at work: each method is one transaction in the site's turn."""

    def __init__(self, dsn: str, book: RuleBook | None = None) -> None:
        self.dsn = dsn
        self.book = book or load_book(ROOT / "rules", ROOT / "plans")
        self.connection: Connection = connect(dsn, application="test school")
        self.engine = Engine(self.book, load_site_model(self.connection, SITE))
        self.position = 0

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def turn(self) -> Iterator[Connection]:
        with transaction(self.connection) as connection:
            site_turn(connection, SITE)
            yield connection

    def feed(self, *inputs: Input, at_s: float | None = None) -> list[str]:
        """Judge and apply as the worker does; returns the journal rows that this wrote."""
        mark = self.seq()
        with self.turn() as connection:
            for each in inputs:
                self.position += 1
                verdicts = self.engine.judge(self.position, [each])
                now = self._now(each, at_s)
                self._note_condition(connection, each)
                apply_verdicts(connection, SITE, verdicts, at=now, book=self.book)
            save_checkpoints(connection, SITE, self.engine.changed())
        return self.said(mark)

    def act(
        self,
        kind: str,
        target: object = "",
        /,
        at_s: float = 1000,
        actor: str = "7",
        reason: str = "",
        **given: Any,
    ) -> dict[str, Any]:
        """A person's act."""
        act = Act(SITE, actor, "desk-1", kind, str(target), reason, given)
        with self.turn() as connection:
            return apply_act(connection, act, at=START + timedelta(seconds=at_s), book=self.book)

    def due(self, at_s: float) -> list[str]:
        """What the chores do at that moment."""
        mark = self.seq()
        with self.turn() as connection:
            work_due(connection, SITE, at=START + timedelta(seconds=at_s), book=self.book)
        return self.said(mark)

    def alarms(self) -> list[Alarm]:
        """All alarms in the order of their numbers."""
        return [read_alarm(row) for row in self._rows("SELECT * FROM alarm WHERE site = %s ORDER BY alarm")]

    def open_alarms(self) -> list[Alarm]:
        """The alarms that are not closed, the most urgent first."""
        found = [alarm for alarm in self.alarms() if alarm.state is not AlarmState.CLOSED]
        return sorted(found, key=lambda alarm: (alarm.priority.rank, alarm.raised_at, alarm.alarm))

    def evidence(self, alarm: int) -> list[dict[str, Any]]:
        return evidence_of(self.connection, SITE, alarm)

    def detectors(self, alarm: int) -> int:
        """How many different devices (with address) the alarm's evidence names."""
        return len({(each["body"]["device"], each["body"]["address"]) for each in self.evidence(alarm)})

    def hazards(self) -> list[Hazard]:
        rows = self._rows("SELECT * FROM hazard WHERE site = %s ORDER BY hazard")
        return [read_hazard(row) for row in rows]

    def open_hazards(self) -> list[Hazard]:
        return [hazard for hazard in self.hazards() if hazard.state.open]

    def incidents(self) -> list[Incident]:
        rows = self._rows("SELECT * FROM incident WHERE site = %s ORDER BY incident")
        return [read_incident(row) for row in rows]

    def open_incidents(self) -> list[Incident]:
        """Those that run or are proposed, the newest first."""
        over = (IncidentState.CLOSED, IncidentState.REVIEWED, IncidentState.DISMISSED)
        return [incident for incident in self.incidents()[::-1] if incident.state not in over]

    def commands(self) -> list[Command]:
        rows = self._rows(
            "SELECT c.*, coalesce(d.edge, '') AS edge FROM command c LEFT JOIN device d USING (site, device)"
            " WHERE c.site = %s ORDER BY c.requested_at DESC, c.command"
        )
        return [read_command(row) for row in rows]

    def waiting_commands(self) -> list[Command]:
        """Those that no edge was told of yet."""
        return [each for each in self.commands() if each.state is CommandState.REQUESTED]

    def _rows(self, query: LiteralString) -> list[dict[str, Any]]:
        return fetch_all(self.connection, query, (SITE,))

    def seq(self) -> int:
        rows = self.journal()
        return rows[-1]["seq"] if rows else 0

    def journal(self, after: int = 0) -> list[dict[str, Any]]:
        return read_journal(self.connection, SITE, after=after, limit=10_000)

    def said(self, after: int) -> list[str]:
        return [f"{row['subject']} {row['kind']}" for row in self.journal(after)]

    def _now(self, each: Input, at_s: float | None) -> datetime:
        if at_s is not None:
            return START + timedelta(seconds=at_s)
        return getattr(each, "recorded_at", None) or getattr(each, "at", START)

    def _note_condition(self, connection: Connection, each: Any) -> None:
        if getattr(each, "active", None) is not None:
            state = ConditionState(each.active, each.observed_at, each.recorded_at, each.id)
            save_conditions(connection, SITE, {(each.device, each.address, each.kind): state})


def kinds(said: Sequence[str]) -> list[str]:
    """The journal kinds alone."""
    return [each.partition(" ")[2] for each in said]
