"""A panel's reset ends its fire conditions, and what still burns is told again: decoder, spool, rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from adapters.contract.codec import decode_item
from adapters.contract.message import Event, EventItem
from adapters.contract.vocabulary import Lane
from adapters.modbus.decode import Decoder
from adapters.profile import load_profile
from edge.admission import Admission
from edge.chattering import Chattering, Rate
from edge.clock import SystemClock
from edge.linkage import Linkage
from edge.quota import Budget
from edge.reader import Batch, SpoolReader
from edge.spool import Spool
from hub.domain.judgement import ClearAlarm, EventInput, RaiseAlarm
from tests.ruling import engine_of

PROFILE = Path(__file__).parents[2] / "config" / "profiles" / "demo-fire-panel-modbus.yaml"
FIRE = """
- {rule: fire, kind: event, name: {zh: 火警, en: fire}, why: a test needs it, kinds: [fire.alarm],
   alarm: {priority: high, owner_post: security-room, response: {zh: 去看, en: go and look}}}
"""
PROGRAMMED, ALARM = 1 << 15, 1
START_US = 1_700_000_000_000_000


class Street:
    """A panel's registers at one end, the rules' verdicts at the other."""

    def __init__(self, path: Path) -> None:
        profile = load_profile(yaml.safe_load(PROFILE.read_text("utf-8")), PROFILE.name)
        assert profile.modbus is not None
        self.decoder = Decoder("panel", profile.modbus)
        self.registers = dict.fromkeys(range(165), 0) | {101: PROGRAMMED, 102: PROGRAMMED}
        self.path = path
        self.spool = Spool(path, epoch=1, opened_at=0, budget=Budget(1_000_000))
        self.admission = Admission(
            "edge", Chattering(Rate(changes=100)), Linkage("edge", SystemClock()), SystemClock()
        )
        self.engine = engine_of(FIRE)
        self.position = 1
        self.now_us = START_US

    def poll(self) -> list[str]:
        """One poll; what the rules make of it."""
        self.now_us += 200_000
        out = self.decoder.decode("alarm", {"holding": self.registers}, self.now_us)
        for batch in (out.seen, out.found):
            self.spool.begin()
            self.admission.store_events(self.spool, batch.events, fresh=batch.fresh)
            self.spool.commit()
            self.admission.after_commit()
        return [said for event in self._arrived() for said in self._judge(event)]

    def _arrived(self) -> list[Event]:
        reader = SpoolReader(self.path)
        events = []
        while (run := reader.read(1, Lane.ALARM, self.position, max_items=500, max_bytes=10**6)) is not None:
            assert isinstance(run, Batch)
            for item in map(decode_item, run.items):
                assert isinstance(item, EventItem)
                events += item.events
            self.position = run.last + 1
        reader.close()
        return events

    def _judge(self, event: Event) -> list[str]:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=event.edge_at)
        verdicts = self.engine.judge(
            1,
            [
                EventInput(
                    f"e/{event.kind}/{event.address}/{event.edge_at}",
                    event.device,
                    event.address,
                    None,
                    event.kind,
                    event.active,
                    at,
                    at,
                    late=False,
                )
            ],
        )
        names = {RaiseAlarm: "raise", ClearAlarm: "clear"}
        return [
            f"{names[type(each)]} {each.subject}"
            for each in verdicts
            if isinstance(each, RaiseAlarm | ClearAlarm)
        ]


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path / "spool.sqlite")
    yield street
    street.spool.close()


def test_what_still_burns_after_a_reset_raises_again(street: Street) -> None:
    street.poll()
    street.registers[101] |= ALARM
    street.registers[102] |= ALARM
    assert street.poll() == ["raise panel:1", "raise panel:2"]
    assert street.poll() == []
    street.registers[1] += 1  # someone resets the panel; detector 2 has gone quiet
    street.registers[102] = PROGRAMMED
    assert street.poll() == ["clear panel:1", "clear panel:2", "raise panel:1"]
    assert street.poll() == []
    street.registers[101] = PROGRAMMED
    assert street.poll() == ["clear panel:1"]


def test_a_reset_of_a_quiet_panel_says_nothing(street: Street) -> None:
    street.poll()
    street.registers[1] += 1
    assert street.poll() == []
