"""Silence as the worker measures it: second by second, through the warden, the clerk and the database.

Nobody tells the rules of listening by hand here; the warden does, when it holds that it is time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.contract.vocabulary import Lane
from hub.domain.moment import microseconds
from hub.intake.clerk import Clerk
from hub.intake.gate import Gate, Message
from hub.intake.inbox import Arrival
from hub.intake.run import open_run
from hub.intake.transaction import Court
from hub.intake.warden import Warden
from hub.rulebook.book import RuleBook, load_book
from hub.rules.engine import Engine
from hub.store.checkpoint import load_checkpoints
from hub.store.database import Connection, connect
from hub.store.reading import prepare_connection
from hub.store.site import edge_keys
from tests.intake_scene import SENDER, SITE, event, furnish, items_frame, pack_event

SILENT_S = 20
RULES = f"""
rules:
- rule: untested
  kind: absence
  name: {{zh: 久未试按, en: not tested}}
  why: a button that nobody tests is a button of which nobody knows
  kinds: [panic.test]
  for: {SILENT_S}s
  scope: {{devices: [gate-button]}}
  hazard: {{due: 2d, owner_post: maintenance, title: {{zh: 待试按, en: to be tested}}, condition: rule,
    checker: rule}}
"""


@dataclass
class Life:
    """The hub from `began` on, a second at a time: what the worker's loop does, by a clock of the test's."""

    connection: Connection
    book: RuleBook
    began: datetime
    presses: Mapping[int, bytes] = field(default_factory=dict)
    """Second -> the frame that comes in at its middle."""

    def __post_init__(self) -> None:
        self.start(0)

    def start(self, second: int) -> None:
        """A worker begins (again): nothing of it is left but the database."""
        now, now_s = self.at(second), float(second)
        nobody: Any = None  # it publishes nothing here
        court = Court(self.book, lambda model: Engine(self.book, model))
        self.clerk = Clerk(self.connection, court, lambda sender: None)
        self.gate = Gate(lambda: edge_keys(self.connection))
        self.warden = Warden(nobody, lambda: 0.0, now, now_s)
        self.clerk.hold(SITE, now)
        self.warden.welcome(self.clerk, SITE, now, now_s, 0.0)

    def at(self, second: float) -> datetime:
        return self.began + timedelta(seconds=second)

    def live(self, first: int, last: int) -> None:
        for second in range(first, last):
            now, now_s = self.at(second), float(second)
            self.warden.beat(self.clerk, now, now_s, {})
            self.warden.tick(self.clerk, now, now_s)
            if second in self.presses:
                arrival = Arrival(SENDER, "alarm", self.presses[second], self.at(second + 0.5))
                message = self.gate.admit(arrival)
                assert isinstance(message, Message), message
                self.clerk.take_runs([open_run(message)], self.at(second + 0.5))

    def hazards(self) -> list[tuple[str, str]]:
        rows = self.connection.execute("SELECT device, condition FROM hazard WHERE state <> 'closed'")
        return rows.fetchall()

    def states(self) -> dict[tuple[str, str], Any]:
        return {(each.rule, each.subject): each.state for each in load_checkpoints(self.connection, SITE)}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> RuleBook:
    folder = tmp_path_factory.mktemp("book")
    (folder / "plans").mkdir()
    (folder / "rules").mkdir()
    (folder / "rules" / "absence.yaml").write_text(RULES, encoding="utf-8")
    return load_book(folder / "rules", folder / "plans")


def press(sequence: int, at: datetime) -> bytes:
    us = microseconds(at)
    item = pack_event(event("panic.test", "gate-button", edge_at=us))
    return items_frame(Lane.ALARM, sequence, [item], sent_at=us)


@contextmanager
def living(dsn: str, book: RuleBook, *seconds: int) -> Iterator[Life]:
    """A hub to whose site the button is tested at these seconds."""
    furnish(dsn)
    began = datetime.now(UTC)
    connection = prepare_connection(connect(dsn, application="test"))
    pressed = {
        second: press(number, began + timedelta(seconds=second)) for number, second in enumerate(seconds, 1)
    }
    try:
        yield Life(connection, book, began, pressed)
    finally:
        connection.close()


def test_who_was_heard_shortly_before_the_time_is_not_silent(any_database: str, book: RuleBook) -> None:
    """The rules hear of listening only when their timer is due: long after the event."""
    heard_at = SILENT_S - 2
    with living(any_database, book, heard_at) as hub:
        hub.live(0, heard_at + SILENT_S)
        assert hub.hazards() == []
        hub.live(heard_at + SILENT_S, heard_at + SILENT_S + 3)
        assert hub.hazards() == [("gate-button", "untested")], "silent since it was heard, for all that time"


def test_a_memory_that_is_built_anew_measures_the_same(database: str, book: RuleBook) -> None:
    """Also between an event and the listening that is told later."""
    heard_at = SILENT_S - 2
    with living(database, book, heard_at) as hub:
        hub.live(0, heard_at + 1)
        assert "at" in hub.states()["untested", "gate-button"], "nobody told of that listening yet"
        hub.clerk.hold(SITE, hub.at(heard_at + 1))
        hub.live(heard_at + 1, heard_at + SILENT_S)
        assert hub.hazards() == []
        listened = hub.states()["untested", "@"]["listened"]
        silent_us = listened - hub.states()["untested", "gate-button"]["heard"]
        assert silent_us == hub.states()["untested", "@"]["until"] - microseconds(hub.at(heard_at + 0.5))
        hub.live(heard_at + SILENT_S, heard_at + SILENT_S + 3)
        assert hub.hazards() == [("gate-button", "untested")]


def test_a_crash_between_the_event_and_its_listening_makes_nobody_silent(database: str, book: RuleBook) -> None:
    """What was listened to before it is in the liveness row; the hours of the outage are nobody's silence."""
    heard_at, away_s = SILENT_S - 2, 1_000
    with living(database, book, heard_at) as hub:
        hub.live(0, heard_at + 3)
        back = heard_at + 3 + away_s
        hub.start(back)
        hub.live(back, back + SILENT_S - 3)
        assert hub.hazards() == []
        hub.live(back + SILENT_S - 3, back + SILENT_S + 2)
        assert hub.hazards() == [("gate-button", "untested")]
