"""When the heart beats, which answer counts, when the hub is lost."""

from __future__ import annotations

from edge.heartbeat import ANSWER_MS, HEARTBEAT_MS, HUB_LOST_MS, Change, Heart


def test_it_beats_every_ten_seconds_and_sooner_when_asked_but_not_for_every_question() -> None:
    heart = Heart(0)
    assert heart.due == 0
    heart.beat(1, 0)
    assert heart.due == HEARTBEAT_MS
    heart.hasten(5_000)
    assert heart.due == 5_000
    heart.beat(2, 5_000)
    heart.hasten(5_010)
    heart.hasten(5_020)
    assert heart.due == 5_000 + ANSWER_MS


def test_only_the_answer_last_asked_for_counts() -> None:
    heart = Heart(0)
    heart.beat(11, 0)
    heart.beat(22, 10_000)
    assert heart.counts(22) and heart.counts(0)
    assert not heart.counts(11)
    assert not heart.counts(33)


def test_the_hub_is_lost_once_after_thirty_seconds_and_back_once() -> None:
    heart = Heart(0)
    assert look(heart, 0, HUB_LOST_MS - 1) == []
    assert heart.check(HUB_LOST_MS) == Change(lost=True, silent_ms=HUB_LOST_MS)
    assert heart.lost
    assert look(heart, HUB_LOST_MS, 90_000) == []
    assert heart.hear(0, 0, 90_000) == Change(lost=False, silent_ms=90_000)
    assert heart.hear(0, 0, 90_001) is None
    assert look(heart, 90_001, 90_001 + HUB_LOST_MS - 1) == []
    assert heart.check(90_001 + HUB_LOST_MS) == Change(lost=True, silent_ms=HUB_LOST_MS)


def look(heart: Heart, since: int, until: int) -> list[Change | None]:
    """What the heart says each second of that time, if anything."""
    return [change for now in (*range(since, until, 1_000), until) if (change := heart.check(now)) is not None]


def test_our_own_sleep_is_not_the_hubs_silence() -> None:
    """A closed lid, a SIGSTOP: on waking the hub has its thirty seconds, less what it was silent before."""
    heart = Heart(0)
    assert look(heart, 0, 10_000) == []
    assert heart.check(600_000) is None, "we slept for ten minutes"
    assert look(heart, 600_000, 600_000 + 19_999) == []
    assert heart.check(600_000 + 20_000) == Change(lost=True, silent_ms=HUB_LOST_MS)


def test_what_waited_while_we_slept_is_heard_before_silence_is_judged() -> None:
    heart = Heart(0)
    assert look(heart, 0, 29_000) == []
    assert heart.hear(0, 0, 600_000) is not None
    assert look(heart, 600_000, 600_000 + HUB_LOST_MS - 1) == []
    assert heart.check(600_000 + HUB_LOST_MS) is not None


def test_the_first_word_of_the_hub_ends_what_an_earlier_run_told() -> None:
    heart = Heart(0)
    assert heart.hear(0, 0, 5) == Change(lost=False, silent_ms=5)
    assert heart.hear(0, 0, 6) is None


def test_only_an_answer_just_asked_for_tells_the_hubs_clock() -> None:
    heart = Heart(0)
    heart.hear(0, 5_000_000, 1)
    assert heart.hub_now_us(2) is None, "a receipt may be old, or played again"
    heart.beat(4, 2)
    heart.hear(4, 5_000_000, 3)
    assert heart.hub_now_us(7) == 5_004_000, "counted on by the monotonic clock, whatever the other does"
