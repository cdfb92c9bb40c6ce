"""What a condition is now: the newest word stands, whoever writes last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.store.condition import ConditionState, load_conditions, save_conditions
from hub.store.database import connect

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
DOOR = ("gate-door", "", "door.held")


def said(active: bool, after_s: int, event: str) -> dict[tuple[str, str, str], ConditionState]:
    moment = AT + timedelta(seconds=after_s)
    return {DOOR: ConditionState(active, moment, moment, event)}


def test_an_older_word_changes_nothing_in_the_store_either(database: str) -> None:
    with connect(database, application="test") as connection:
        save_conditions(connection, "school", said(True, 10, "e/1/0/2/0"))
        save_conditions(connection, "school", said(False, 5, "e/1/0/1/0"))
        assert load_conditions(connection, "school") == said(True, 10, "e/1/0/2/0")
        save_conditions(connection, "school", said(False, 20, "e/1/0/3/0"))
        assert load_conditions(connection, "school")[DOOR].active is False
