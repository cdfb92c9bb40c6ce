"""Orders at the edge: stale ones, those for others, those before any settings; reflexes until confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from adapters.base import DeviceSettings, WriteOutcome
from adapters.contract.message import Command, Reflex, ResultItem
from edge import command as module
from edge.admission import Admission
from edge.chattering import Chattering, Rate
from edge.clock import SystemClock
from edge.command import CommandDesk, find_refusal
from edge.linkage import Linkage
from edge.quota import Budget
from edge.reception import Reception
from edge.shelter import Shelter
from edge.spool import Spool
from edge.writer import SpoolWriter

DEVICES = {"siren": DeviceSettings("siren", "broadcast", "c", "p", "1", writes=("siren.on",))}
REFLEX = Reflex("r-1", "rule", 1, "siren", "", "siren.on", {}, ["edge/1/1/1/0"], 6)


def order(
    name: str = "c-1", *, device: str = "siren", kind: str = "siren.on", valid_ms: int = 10_000
) -> Command:
    return Command(name, device, "", kind, {}, 1_000_000, 11_000_000, valid_ms)


@pytest.mark.parametrize(
    ("command", "hub_now_us", "state"),
    [
        (order(), None, None),
        (order(), 11_000_000, None),
        (order(), 11_000_001, "expired"),
        (order(valid_ms=0), 1_000_000, "expired"),
        (order(device="elsewhere"), None, "refused"),
        (order(kind="siren.off"), None, "refused"),
    ],
)
def test_why_a_command_is_not_performed(command: Command, hub_now_us: int | None, state: str | None) -> None:
    refusal = find_refusal(command, DEVICES, hub_now_us)
    assert (refusal[0] if refusal else None) == state


class Siren:
    """A device whose answers the test gives; the last one stays."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.got: list[str] = []

    async def write(self, command: Command) -> WriteOutcome:
        self.got.append(command.command)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return WriteOutcome(answer)  # type: ignore[arg-type]


class Desk:
    """A command desk on a spool of its own; `told` are the results that were stored."""

    def __init__(self, folder: Path) -> None:
        clock = SystemClock()
        shelter = Shelter(folder / "spool.sqlite", Budget(10_000_000), clock)
        spool, _ = shelter.open_first()
        self.told: list[tuple[str, str]] = []
        linkage = Linkage("edge", clock)
        admission = Admission("edge", Chattering(Rate()), linkage, clock)
        store = admission.store_result

        def remember(spool: Spool, result: ResultItem) -> None:
            store(spool, result)
            self.told.append((result.command, result.state))

        admission.store_result = remember  # type: ignore[method-assign]
        self.writer = SpoolWriter(spool, shelter, admission, lambda _: None, clock)
        self.writer.start()
        self.siren: Siren | None = Siren("confirmed")
        self.desk = CommandDesk(
            Reception(self.writer, admission, clock), linkage, lambda device: self.siren, clock
        )

    def take_reflex(self) -> None:
        self.writer.submit(
            lambda spool: spool.known.take_command(REFLEX.command, "accepted"), urgent=True
        ).result(5)
        self.desk.take_reflexes([REFLEX])

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - a condition of another thread
                await asyncio.sleep(0.01)


def run(folder: Path, story: Callable[[Desk], Awaitable[None]]) -> None:
    async def play() -> None:
        desk = Desk(folder)
        try:
            await story(desk)
        finally:
            await asyncio.to_thread(desk.writer.stop)

    asyncio.run(play())


def test_a_command_before_any_settings_is_left_and_taken_when_it_comes_again(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.desk.take(order(), None)
        desk.desk.use_devices(DEVICES)
        desk.desk.take(order(), None)
        desk.desk.take(order(), None)
        await desk.until(lambda: ("c-1", "confirmed") in desk.told)
        assert desk.told == [("c-1", "accepted"), ("c-1", "confirmed")]
        assert desk.siren is not None and desk.siren.got == ["c-1"]

    run(tmp_path, story)


def test_a_command_waits_a_little_for_its_connection(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.desk.use_devices(DEVICES)
        siren, desk.siren = desk.siren, None
        desk.desk.take(order(), None)
        await desk.until(lambda: ("c-1", "accepted") in desk.told)
        desk.siren = siren
        await desk.until(lambda: ("c-1", "confirmed") in desk.told)

    run(tmp_path, story)


def test_a_reflex_is_tried_until_the_device_confirms_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REFLEX_PAUSE_S", 0.01)

    async def story(desk: Desk) -> None:
        desk.siren = Siren("failed", "failed", "unconfirmed", "confirmed")
        desk.take_reflex()
        await desk.until(lambda: desk.told)
        assert desk.told == [("r-1", "confirmed")]
        assert desk.siren.got == ["r-1"] * 4

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("answer", "state", "times"), [("unconfirmed", "unconfirmed", 3), ("accepted", "unconfirmed", 1)]
)
def test_without_feedback_a_reflex_claims_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, state: str, times: int
) -> None:
    monkeypatch.setattr(module, "REFLEX_PAUSE_S", 0.01)

    async def story(desk: Desk) -> None:
        desk.siren = Siren(answer)
        desk.take_reflex()
        await desk.until(lambda: desk.told)
        assert desk.told == [("r-1", state)]
        assert len(desk.siren.got) == times

    run(tmp_path, story)


def test_a_reflex_does_not_stand_behind_a_slow_order(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.desk.use_devices(DEVICES)
        slow, quick = asyncio.Event(), Siren("confirmed")

        class Slow(Siren):
            async def write(self, command: Command) -> WriteOutcome:
                await slow.wait()
                return await super().write(command)

        desk.siren = Slow("confirmed")
        desk.desk.take(order(), None)
        await desk.until(lambda: ("c-1", "accepted") in desk.told)
        await asyncio.sleep(0.05)
        desk.siren = quick
        desk.take_reflex()
        await desk.until(lambda: ("r-1", "confirmed") in desk.told)
        slow.set()
        await desk.until(lambda: ("c-1", "confirmed") in desk.told)

    run(tmp_path, story)
