"""Simulated devices without sockets: the ledger comes first, values move as they should."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from simulators.bus import ModbusBus
from simulators.climate import Drift, at_hour
from simulators.connection import QUEUE_LENGTH, BrokerAddress
from simulators.device import OrderRefused, Surroundings
from simulators.devices import fire_panel, panic_button
from simulators.ledger import Ledger, LedgerBroken
from simulators.media import Media
from simulators.order import carry_out


def make_media() -> Media:
    return Media(BrokerAddress("127.0.0.1", 1), {"bus": ModbusBus("127.0.0.1", 1)})


def make_button(ledger: Ledger) -> panic_button.PanicButton:
    settings = panic_button.Settings(device="button", type="panic_button")
    return panic_button.build(settings, Surroundings(ledger=ledger), make_media())


def make_panel(ledger: Ledger) -> fire_panel.FirePanel:
    settings = fire_panel.Settings(device="panel", type="fire_panel", bus="bus", detectors=(1, 2))
    return fire_panel.build(settings, Surroundings(ledger=ledger), make_media())


def test_ledger_line_has_the_agreed_fields(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "sub" / "ledger.jsonl")
    at = datetime(2026, 11, 23, 8, 0, 1, 987_654, tzinfo=UTC)
    ledger.write("door", "1", "door.forced", True, at, identity="door-1")
    (line,) = (tmp_path / "sub" / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {
        "device": "door",
        "address": "1",
        "kind": "door.forced",
        "active": True,
        "identity": "door-1",
        "at": "2026-11-23T08:00:01.987Z",
    }
    ledger.close()


def test_nothing_is_said_that_the_ledger_could_not_take() -> None:
    ledger = Ledger(Path("/dev/full"))
    button, panel = make_button(ledger), make_panel(ledger)
    with pytest.raises(LedgerBroken):
        carry_out({"button": button}, "press button")
    with pytest.raises(LedgerBroken):
        carry_out({"panel": panel}, "fire panel 1 on")
    assert button.connection.waiting == 0
    assert panel.holding_registers()[101] == 0x8000
    ledger.close()


def test_full_queue_refuses_before_the_ledger_knows(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    button = make_button(ledger)
    for _ in range(QUEUE_LENGTH):
        button.connection.send_event(b"{}")
    with pytest.raises(OrderRefused, match="waiting for the broker"):
        carry_out({"button": button}, "press button")
    assert ledger.entries == 0
    ledger.close()


def test_identities_differ_from_start_to_start(tmp_path: Path) -> None:
    def press(file: Path) -> str:
        ledger = Ledger(file)
        carry_out({"button": make_button(ledger)}, "press button")
        ledger.close()
        identity = json.loads(file.read_text(encoding="utf-8"))["identity"]
        assert isinstance(identity, str)
        return identity

    assert press(tmp_path / "first") != press(tmp_path / "second")


def test_reset_keeps_what_still_burns_and_names_the_first_of_it() -> None:
    panel = make_panel(Ledger())
    devices = {"panel": panel}
    carry_out(devices, "fire panel 2 on")
    carry_out(devices, "fire panel 1 on")
    assert panel.holding_registers()[:3] == [1, 0, 2]
    carry_out(devices, "fire panel 2 off")
    carry_out(devices, "reset panel")
    assert panel.holding_registers()[:3] == [1, 1, 1]
    assert panel.holding_registers()[102] == 0x8000
    carry_out(devices, "fire panel 1 off")
    carry_out(devices, "reset panel")
    assert panel.holding_registers()[:3] == [0, 2, 0]
    panel.resets = 0xFFFF
    carry_out(devices, "reset panel")
    assert panel.holding_registers()[1] == 0, "the counter wraps"


def test_drift_settles_towards_its_target() -> None:
    seconds = [0.0]
    clock: Callable[[], float] = lambda: seconds[0]  # noqa: E731
    drift = Drift(4.0, settle_s=10.0, monotonic=clock)
    assert drift.value() == 4.0
    drift.aim(14.0)
    assert drift.value() == 4.0
    seconds[0] = 10.0
    assert drift.value() == pytest.approx(14.0 - 10.0 / 2.71828, abs=1e-3)
    drift.aim(4.0)
    assert drift.value() == pytest.approx(14.0 - 10.0 / 2.71828, abs=1e-3), "no jump"
    seconds[0] = 1000.0
    assert drift.value() == pytest.approx(4.0)


def test_day_is_warmest_in_the_afternoon() -> None:
    assert at_hour(20.0, 5.0, 4.0) == pytest.approx(15.0)
    assert at_hour(20.0, 5.0, 16.0) == pytest.approx(25.0)


def test_campus_is_lively_by_day_and_never_quite_dead() -> None:
    def bustle(hour: int) -> float:
        surroundings = Surroundings(now=lambda: datetime(2026, 11, 23, hour, tzinfo=UTC))
        return surroundings.bustle()

    everyday = [bustle(hour) for hour in range(24)]
    assert min(everyday) == pytest.approx(0.25)
    assert max(everyday) > 0.95


def test_everyday_life_repeats_for_the_same_seed() -> None:
    async def draw(seed: int) -> list[float]:
        chance = Surroundings(seed=seed).chance("gate-door")
        return [chance.random() for _ in range(5)]

    assert asyncio.run(draw(1)) == asyncio.run(draw(1)) != asyncio.run(draw(2))


def test_a_button_that_nobody_touches_still_says_that_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = panic_button.Settings(device="button", type="panic_button")
    button = panic_button.build(settings, Surroundings(speed=10_000.0), make_media())
    said: list[str] = []

    async def stand() -> None:
        enough = asyncio.Event()

        def show(what: str, payload: bytes) -> None:
            said.append(what)
            if len(said) == 3:
                enough.set()

        monkeypatch.setattr(button.connection, "show", show)
        tasks = [asyncio.create_task(task) for task in button.tasks()]
        await asyncio.wait_for(enough.wait(), 5.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(stand())
    assert set(said) == {"status"}
