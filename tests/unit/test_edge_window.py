"""Single decisions of the uplink, each as a short story."""

from __future__ import annotations

from adapters.contract.vocabulary import Lane
from edge.spool import LaneMark
from edge.window import Limits, Window

EPOCH = 7


def make_window(alarm: int = 0, telemetry: int = 0, older: list[LaneMark] | None = None) -> Window:
    marks = [
        *(older or []),
        LaneMark(EPOCH, Lane.ALARM, alarm, 0),
        LaneMark(EPOCH, Lane.TELEMETRY, telemetry, 0),
    ]
    window = Window(EPOCH, marks, Limits())
    window.connect()
    return window


def open_wide(window: Window) -> None:
    """The hub has answered and receipted for so long that eight messages may be under way."""
    window.take_receipt([], now=0)
    for _ in range(8):
        window._windows[Lane.TELEMETRY].widen()


def send_next(
    window: Window, count: int = 1, now: int = 0, *, telemetry_allowed: bool = True
) -> tuple[int, bool] | None:
    send = window.next_to_send(telemetry_allowed=telemetry_allowed)
    if send is None:
        return None
    window.note_sent(send, min(send.last_assigned, send.first + count - 1), now)
    return send.first, send.alone


def test_one_message_probes_until_the_hub_answers_then_the_window_opens_with_each_receipt() -> None:
    window = make_window(telemetry=100)
    assert send_next(window) == (1, False)
    assert send_next(window) is None
    window.take_receipt([(EPOCH, Lane.TELEMETRY, 1)], now=1)
    assert [send_next(window) for _ in range(4)] == [(2, False), (3, False), (4, False), None]
    for cursor in range(2, 9):
        window.take_receipt([(EPOCH, Lane.TELEMETRY, cursor)], now=1)
        while send_next(window):
            pass
    assert send_under_way(window) == 8, "at most"


def test_a_loss_halves_the_window_and_it_opens_slowly_again() -> None:
    window = wide(make_window(telemetry=1_000))
    assert window.take_gap(EPOCH, Lane.TELEMETRY, 21, now=10)
    assert send_under_way(window) == 4
    window.take_receipt([(EPOCH, Lane.TELEMETRY, 21)], now=20)
    assert send_under_way(window) == 4
    window.take_receipt([(EPOCH, Lane.TELEMETRY, 24)], now=20)
    assert send_under_way(window) == 4, "four receipts make one more"
    window.take_receipt([(EPOCH, Lane.TELEMETRY, 25)], now=20)
    window.take_receipt([(EPOCH, Lane.TELEMETRY, 26)], now=20)
    window.take_receipt([(EPOCH, Lane.TELEMETRY, 27)], now=20)
    assert send_under_way(window) == 5


def test_what_is_sent_in_vain_is_sent_ever_more_seldom_until_the_hub_speaks() -> None:
    window = make_window(telemetry=10)
    send_next(window)
    rewound, now = [], 0
    while now < 130_000:
        now = window.next_deadline() or 0
        window.pass_time(now)
        rewound.append(now)
        assert send_next(window, now=now) == (1, False)
    assert rewound[:5] == [5_000, 15_000, 35_000, 75_000, 115_000]
    window.take_receipt([], now=now)
    assert window.next_deadline() == now + 5_000


def wide(window: Window) -> Window:
    """The window after twenty receipts; everything that it allows is under way."""
    window.take_receipt([], now=0)
    for cursor in range(1, 21):
        while send_next(window):
            pass
        window.take_receipt([(EPOCH, Lane.TELEMETRY, cursor)], now=0)
    while send_next(window):
        pass
    return window


def send_under_way(window: Window) -> int:
    """Send what may be sent; how many telemetry messages are without a receipt then."""
    while send_next(window):
        pass
    return window._tracks[EPOCH, Lane.TELEMETRY].batches


def test_a_live_alarm_overtakes_a_full_window_once_and_the_lane_goes_on() -> None:
    window = make_window(alarm=100)
    assert send_next(window) == (1, False)
    window.note_stored(EPOCH, Lane.ALARM, 101)
    assert send_next(window) == (101, True)
    assert send_next(window) is None
    assert not window.take_gap(EPOCH, Lane.ALARM, 2, now=1), "the overtaking explains the gap"
    window.take_receipt([(EPOCH, Lane.ALARM, 1)], now=1)
    assert send_next(window) == (2, False)


def test_a_gap_is_answered_once_though_every_message_behind_it_asks() -> None:
    window = make_window(telemetry=100)
    open_wide(window)
    for _ in range(8):
        send_next(window)
    assert window.take_gap(EPOCH, Lane.TELEMETRY, 3, now=10)
    assert send_next(window, now=10) == (3, False)
    assert not window.take_gap(EPOCH, Lane.TELEMETRY, 3, now=20)
    assert send_next(window, now=20) == (4, False)
    assert window.take_gap(EPOCH, Lane.TELEMETRY, 3, now=1_010), "lost again"


def test_a_gap_already_receipted_or_not_yet_sent_changes_nothing() -> None:
    window = make_window(telemetry=100)
    open_wide(window)
    for _ in range(8):
        send_next(window)
    window.take_receipt([(EPOCH, Lane.TELEMETRY, 5)], now=0)
    assert not window.take_gap(EPOCH, Lane.TELEMETRY, 5, now=1)
    assert not window.take_gap(EPOCH, Lane.TELEMETRY, 9, now=1)
    assert send_next(window) == (9, False)


def test_a_late_receipt_after_a_rewind_moves_the_lane_forward() -> None:
    window = make_window(telemetry=100)
    open_wide(window)
    for _ in range(8):
        send_next(window)
    window.take_gap(EPOCH, Lane.TELEMETRY, 2, now=10)
    window.take_receipt([(EPOCH, Lane.TELEMETRY, 6)], now=11)
    assert send_next(window) == (7, False)


def test_silence_rewinds_and_probes_with_one_message() -> None:
    window = make_window(telemetry=100)
    open_wide(window)
    for _ in range(8):
        send_next(window, now=100)
    assert window.next_deadline() == 5_100
    window.pass_time(5_099)
    assert send_next(window) is None
    window.pass_time(5_100)
    assert window.rewinds == 1
    assert send_next(window, now=5_100) == (1, False)
    assert send_next(window, now=5_100) is None


def test_live_alarms_go_on_being_sent_at_once_though_no_hub_answers_for_an_hour() -> None:
    window = make_window(alarm=50)
    send_next(window)
    for minute in range(60):
        window.note_stored(EPOCH, Lane.ALARM, 51 + minute)
        assert send_next(window, now=60_000 * minute) == (51 + minute, True)
        window.pass_time(60_000 * minute)
        while send_next(window, count=100, now=60_000 * minute):
            pass


def test_a_flood_of_alarms_goes_in_batches() -> None:
    window = make_window()
    window.take_receipt([], now=0)
    window.note_stored(EPOCH, Lane.ALARM, 5_000)
    alone = 0
    while (sent := send_next(window, count=2_000)) and sent[1]:
        alone += 1
    assert alone == Limits().live_pending
    assert sent == (257, False)
    assert send_next(window, count=2_000) == (2_257, False)
    window.take_receipt([(EPOCH, Lane.ALARM, 256)], now=1)
    assert send_next(window) == (4_257, True), "alone again, as soon as there is room"


def test_older_epochs_drain_before_the_present_one_lane_by_lane() -> None:
    older = [LaneMark(3, Lane.ALARM, 2, 0), LaneMark(3, Lane.TELEMETRY, 0, 0)]
    window = make_window(alarm=1, telemetry=1, older=older)
    window.take_receipt([], now=0)
    first = window.next_to_send()
    assert first is not None and (first.epoch, first.lane) == (3, Lane.ALARM)
    window.note_sent(first, 2, 0)
    second = window.next_to_send()
    assert second is not None and (second.epoch, second.lane) == (EPOCH, Lane.TELEMETRY)
    window.note_sent(second, 1, 0)
    assert window.next_to_send() is None, "the present epoch's alarms wait for the older one's receipt"
    window.take_receipt([(3, Lane.ALARM, 2), (3, Lane.TELEMETRY, 0)], now=1)
    third = window.next_to_send()
    assert third is not None and (third.epoch, third.lane, third.first) == (EPOCH, Lane.ALARM, 1)
    assert [status.epoch for status in window.statuses()] == [EPOCH, EPOCH], "drained lanes are of no interest"


def test_the_exchange_claims_to_hold_only_what_was_not_receipted() -> None:
    window = make_window(alarm=10)
    window.take_receipt([(EPOCH, Lane.ALARM, 4)], now=0)
    status = window.statuses()[0]
    assert (status.last_assigned, status.lowest_held, status.cursor) == (10, 5, 4)
    assert window.take_receipt([(EPOCH, Lane.ALARM, 2)], now=0) == [], (
        "a restored hub knows less; nothing comes back"
    )
