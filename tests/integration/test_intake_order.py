"""Whatever the order between lanes, however often repeated and however cut into messages: the same alarms.

In the sense of invariant 8: the same (subject, condition, first evidence) and the same end of each; how often
and when a state changed may differ. Within one lane the order is the transport's and is never shuffled.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg import sql

from adapters.contract.vocabulary import Lane
from tests.conftest import RunningPostgres, new_name, run_sql
from tests.intake_scene import event, furnish, items_frame, now_us, pack_event
from tests.integration.test_intake import SECOND, Hub

KINDS = {
    "lab-smoke": ("fire.alarm", True),
    "lab-heat": ("fire.alarm", True),
    "gate-door": ("door.forced", True),
    "lab-air": ("device.offline", True),
    "gate-button": ("panic.pressed", None),
}


def make_days(seed: int) -> dict[int, list[bytes]]:
    """What two epochs of the edge hold, in order: a device's last words may come before its first."""
    chance = random.Random(seed)
    began = now_us() - 50 * SECOND
    days: dict[int, list[bytes]] = {7: [], 8: []}
    for number, (device, (kind, condition)) in enumerate(KINDS.items()):
        active = condition
        turns = chance.randint(1, 6)
        for turn in range(turns):
            at = began + (turn * 7 + number) * SECOND
            told = event(kind, device, active=active, at=at, edge_at=at, identity=f"{device}-{turn}")
            days[7 if turn < turns / 2 else 8].append(pack_event(told))
            active = None if active is None else not active
    return days


def cut(day: list[bytes], epoch: int, chance: random.Random) -> list[bytes]:
    """A day as messages of one to three items."""
    frames, first = [], 1
    while first <= len(day):
        count = min(chance.randint(1, 3), len(day) - first + 1)
        items = day[first - 1 : first - 1 + count]
        frames.append(items_frame(Lane.ALARM, first, items, epoch=epoch, age_ms=0))
        first += count
    return frames


@pytest.fixture
def second_database(postgres: RunningPostgres, template: str) -> Iterator[str]:
    """Another fresh database, to live through the same days in another order."""
    name = new_name()
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    run_sql(postgres.dsn(), copy)
    yield postgres.dsn(name)
    run_sql(postgres.dsn(), sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def opened(dsn: str) -> Iterator[Hub]:
    hub = Hub(dsn)
    try:
        yield hub
    finally:
        hub.connection.close()


def outcome(hub: Hub) -> dict[tuple[str, str], tuple[Any, ...]]:
    """(subject, condition) -> its first evidence, whether it holds, whether it is over."""
    rows = hub.rows(
        "SELECT subject, condition, min(observed_at), bool_or(active), bool_and(state = 'closed')"
        " FROM alarm GROUP BY subject, condition"
    )
    return {(row[0], row[1]): row[2:] for row in rows}


@pytest.mark.parametrize("seed", range(6))
def test_lanes_in_any_order_with_repeats_give_the_same_alarms(
    seed: int, database: str, second_database: str
) -> None:
    days = make_days(seed)
    chance = random.Random(seed)
    for dsn in (database, second_database):
        furnish(dsn)
    with opened(database) as straight:
        for epoch, day in days.items():
            for number, item in enumerate(day, 1):
                straight.alarms(number, [item], epoch=epoch)
        wanted = outcome(straight)
    queues = [cut(day, epoch, chance) for epoch, day in days.items()]
    with opened(second_database) as mixed:
        sent: list[bytes] = []
        while any(queues):
            lane = chance.choice([queue for queue in queues if queue])
            sent.append(lane.pop(0))
            again = chance.sample(sent, min(len(sent), chance.randint(0, 2)))
            mixed.take(*again, sent[-1])
        assert mixed.held() == []
        assert len(mixed.events()) == sum(len(day) for day in days.values()), "each once"
        assert outcome(mixed) == wanted
