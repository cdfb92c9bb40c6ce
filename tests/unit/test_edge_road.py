"""The edge's way to the broker: which version of MQTT, which broker, and what waits for the uplink."""

from __future__ import annotations

from adapters.contract.dialect import OPEN_S, PATIENCE, PROBE_S, Dialect, Version
from adapters.contract.vocabulary import Lane
from edge.configuration import BrokerAddress
from edge.inbox import MESSAGES, Inbox
from edge.move import RETRY_LOST_MS, RETRY_MS, TRIAL_MS, Move

OLD, NEW = BrokerAddress(host="old", port=1883), BrokerAddress(host="new", port=1883)


def test_version_5_is_tried_shortly_then_3_1_1_and_what_worked_is_kept() -> None:
    dialect = Dialect()
    assert (dialect.version, dialect.answer_s) == (Version.V5, PROBE_S)
    dialect.note_unanswered()
    assert (dialect.version, dialect.answer_s) == (Version.V311, OPEN_S)
    dialect.note_opened()
    for _ in range(PATIENCE - 1):
        dialect.note_unanswered()
        assert dialect.version is Version.V311, "a broker that hangs does not change our language"
    dialect.note_opened()
    for _ in range(PATIENCE):
        dialect.note_unanswered()
    assert dialect.version is Version.V5, "perhaps it is another broker now"
    dialect.note_unanswered()
    assert dialect.version is Version.V311


def test_a_broker_that_says_that_it_does_not_speak_it_is_believed_at_once() -> None:
    dialect = Dialect()
    dialect.note_refused()
    assert dialect.version is Version.V311
    dialect.note_opened()
    dialect.note_refused()
    assert dialect.version is Version.V5


def test_a_broker_is_kept_only_once_the_hub_answered_over_it() -> None:
    move = Move(OLD)
    move.wish(OLD, 0)
    assert not move.is_due(0, hub_lost=False)
    move.wish(NEW, 0)
    assert move.is_due(0, hub_lost=False)
    assert move.begin(0) == NEW
    assert not move.is_due(1, hub_lost=True), "one trial at a time"
    assert not move.check(TRIAL_MS - 1)
    move.succeed()
    assert (move.proved, move.error) == (NEW, "")
    assert not move.is_due(10**9, hub_lost=True)


def test_a_trial_without_answer_is_told_and_made_again_later_or_soon_when_the_hub_is_lost() -> None:
    move = Move(OLD)
    move.wish(NEW, 0)
    move.begin(0)
    assert move.check(TRIAL_MS)
    assert "new:1883" in move.error and "old:1883 stays" in move.error
    assert move.proved == OLD
    assert not move.is_due(TRIAL_MS + RETRY_LOST_MS, hub_lost=False)
    assert move.is_due(TRIAL_MS + RETRY_LOST_MS, hub_lost=True)
    assert move.is_due(TRIAL_MS + RETRY_MS, hub_lost=False)
    move.wish(OLD, 0)
    assert move.error == ""


def test_the_inbox_keeps_what_must_not_be_lost_and_drops_the_newest_messages() -> None:
    inbox: Inbox[str] = Inbox()
    for number in range(MESSAGES + 5):
        inbox.put_message(f"receipt {number}", 100)
    inbox.put("lost")
    inbox.put_stored({Lane.ALARM: 1})
    inbox.put_stored({Lane.ALARM: 7, Lane.TELEMETRY: 3})
    assert inbox.dropped == 5
    assigned, news = inbox.take(0)
    assert assigned == {Lane.ALARM: 7, Lane.TELEMETRY: 3}
    assert news == [*(f"receipt {number}" for number in range(MESSAGES)), "lost"]
    assert not inbox
    inbox.put_message("huge", 10**9)
    assert inbox.dropped == 6 and inbox.take(0) == ({}, [])
    inbox.put_message("fits", 1)
    assert inbox.take(0)[1] == ["fits"]
