"""The kinds of fault. Each begins, lasts, ends; whether all is well again is for others to see.

`begin` and `end` are called in the run's own thread; `end` is called also where the run is broken off.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from tests.chaos.campus import Campus
from tests.chaos.schedule import Shape
from tests.chaos.school import EDGES
from tests.chaos.street import Street
from tests.faults.proxy import FaultProxy, Way
from tests.waiting import wait_until

DRAIN_S: Final = 90.0


@dataclass(slots=True)
class Scene:
    """What faults break, and what they leave for the account."""

    street: Street
    campus: Campus
    restored: list[str] = field(default_factory=list)
    """Databases that were replaced by an older backup, under the names they have now."""
    notes: list[str] = field(default_factory=list)


class Fault(Protocol):
    """One kind of fault."""

    shape: Shape

    def begin(self, scene: Scene, chance: random.Random) -> str:
        """Break it; returns what was drawn, for the record."""

    def end(self, scene: Scene) -> None:
        """Mend it."""


@dataclass
class Kill:
    """kill -9; it is started again at once."""

    name: str
    shape: Shape

    def begin(self, scene: Scene, chance: random.Random) -> str:
        if self.name == "hub":
            scene.street.kill_hub()
            return "hub"
        name = chance.choice(EDGES) if self.name == "edge" else self.name
        try:
            scene.street.kill(name)
        except (OSError, ValueError):
            return f"{name} (did not run)"
        return name

    def end(self, scene: Scene) -> None:
        """It is started again by who supervises it."""


@dataclass
class Away:
    """Killed, and not started again for a while."""

    name: str
    shape: Shape
    _held: str = ""

    def begin(self, scene: Scene, chance: random.Random) -> str:
        self._held = chance.choice(EDGES) if self.name == "edge" else self.name
        scene.street.hold(self._held)
        return self._held

    def end(self, scene: Scene) -> None:
        if self._held:
            scene.street.release(self._held)


@dataclass
class Suspend:
    """SIGSTOP, later SIGCONT: a machine that hangs and comes back."""

    name: str
    shape: Shape
    _held: str = ""

    def begin(self, scene: Scene, chance: random.Random) -> str:
        name = chance.choice(EDGES) if self.name == "edge" else self.name
        try:
            scene.street.suspend(name)
        except (OSError, ValueError):
            return f"{name} (did not run)"
        self._held = name
        return name

    def end(self, scene: Scene) -> None:
        if self._held:
            scene.street.resume(self._held)


@dataclass
class Line:
    """Something happens to a line: `how` is the name of one of the ways below."""

    line: str
    how: str
    shape: Shape

    def begin(self, scene: Scene, chance: random.Random) -> str:
        proxy = scene.street.lines[self.line]
        way = chance.choice([Way.UP, Way.DOWN, Way.BOTH])
        said = f"{self.line} {way.name.lower()}"
        match self.how:
            case "cut":
                reset = chance.random() < 0.5
                proxy.cut(reset=reset)
                return f"{self.line} {'RST' if reset else 'FIN'}"
            case "away":
                proxy.refuse()
                proxy.cut()
                return self.line
            case "delay":
                milliseconds = chance.choice([50, 300, 1_000])
                proxy.delay(milliseconds, way)
                return f"{said} {milliseconds} ms"
            case "throttle":
                rate = chance.choice([8_000, 32_000])
                proxy.throttle(rate, way)
                return f"{said} {rate} B/s"
            case "stall":
                proxy.stall(way)
            case "half_open":
                proxy.swallow(way)
            case "truncate":
                count = chance.randrange(1, 3_000)
                proxy.truncate(count, way)
                return f"{said} after {count} bytes"
            case _:
                raise AssertionError(self.how)
        return said

    def end(self, scene: Scene) -> None:
        self._heal(scene.street.lines[self.line])

    def _heal(self, proxy: FaultProxy) -> None:
        # A line with a hole stays dead: who uses it has to find out.
        proxy.heal()


@dataclass
class FullDisk:
    """The spool's disk is full: a limit on the size of its files, or a real small disk where we may mount."""

    real: bool
    shape: Shape
    _edge: str = ""

    def begin(self, scene: Scene, chance: random.Random) -> str:
        edge = chance.choice(EDGES)
        if not self.real:
            self._edge = edge
            scene.street.limit_files(edge, chance.randrange(0, 20_000))
            return f"{edge} RLIMIT_FSIZE"
        if not scene.street.mount(edge):
            return f"{edge}: left out, this machine lets nobody mount"
        self._edge = edge
        scene.street.fill_disk(edge)
        return f"{edge} tmpfs"

    def end(self, scene: Scene) -> None:
        if not self._edge:
            return
        if self.real:
            scene.street.empty_disk(self._edge)
        else:
            scene.street.unlimit_files(self._edge)


@dataclass
class ReadOnlyDisk:
    """An edge starts on a disk that was remounted read-only."""

    shape: Shape
    _edge: str = ""

    def begin(self, scene: Scene, chance: random.Random) -> str:
        edge = chance.choice(EDGES)
        if not scene.street.mount(edge):
            return f"{edge}: left out, this machine lets nobody mount"
        scene.street.hold(edge)
        self._edge = edge
        done = scene.street.set_read_only(edge, True)
        scene.street.release(edge)
        return f"{edge} remounted read-only" if done else f"{edge}: could not be remounted"

    def end(self, scene: Scene) -> None:
        if self._edge:
            wait_until(lambda: scene.street.set_read_only(self._edge, False), 10.0, "writable again")


@dataclass
class Clock:
    """A program's clock jumps by hours and comes back."""

    name: str
    shape: Shape
    _set: str = ""

    def begin(self, scene: Scene, chance: random.Random) -> str:
        self._set = chance.choice(EDGES) if self.name == "edge" else self.name
        shift_s = chance.choice([-1, 1]) * chance.choice([40, 3_600, 8 * 3_600])
        scene.street.set_clock(self._set, shift_s)
        return f"{self._set} {shift_s:+d} s"

    def end(self, scene: Scene) -> None:
        if self._set:
            scene.street.set_clock(self._set, 0)


@dataclass
class Reinstall:
    """An edge is installed anew after it has told all: on an empty disk, or over the same data."""

    empty: bool
    shape: Shape
    _edge: str = ""

    def begin(self, scene: Scene, chance: random.Random) -> str:
        edge = self._edge = chance.choice(EDGES)
        if self.empty:
            _fall_silent(scene, edge)
        scene.street.hold(edge)
        if self.empty:
            for file in scene.street.data(edge).iterdir():
                file.unlink()
        _when_hub_answers(lambda: scene.street.enrol(edge))
        return f"{edge} {'on an empty disk' if self.empty else 'over its data'}"

    def end(self, scene: Scene) -> None:
        if self._edge:
            scene.street.release(self._edge)
            scene.campus.speak(self._edge)


@dataclass
class RollBackSpool:
    """An edge's data are put back to what they were some time ago (an image of its disk)."""

    shape: Shape
    _edge: str = ""

    def begin(self, scene: Scene, chance: random.Random) -> str:
        edge = self._edge = chance.choice(EDGES)
        copy = scene.street.folder / f"image-{edge}"
        shutil.rmtree(copy, ignore_errors=True)
        scene.street.hold(edge)
        shutil.copytree(scene.street.data(edge), copy)
        scene.street.release(edge)
        return edge

    def end(self, scene: Scene) -> None:
        edge = self._edge
        if not edge:
            return
        # What it told meanwhile is at the hub; what it has not told would be lost with the disk.
        _fall_silent(scene, edge)
        scene.street.hold(edge)
        copy = scene.street.folder / f"image-{edge}"
        for file in scene.street.data(edge).iterdir():
            file.unlink()
        for file in copy.iterdir():
            shutil.copy2(file, scene.street.data(edge) / file.name)
        scene.street.release(edge)
        scene.campus.speak(edge)


@dataclass
class RestoreBackup:
    """The hub goes back to a backup that is as old as the fault lasts."""

    shape: Shape
    _name: str = ""

    def begin(self, scene: Scene, chance: random.Random) -> str:
        name = f"backup_{len(scene.restored)}"
        scene.street.back_up(name)
        self._name = name
        return name

    def end(self, scene: Scene) -> None:
        if not self._name:
            return
        kept = f"before_{self._name}"
        scene.street.hold("hub")
        scene.street.restore(self._name, kept)
        scene.restored.append(kept)
        scene.street.release("hub")


def _fall_silent(scene: Scene, edge: str) -> None:
    """Let an edge tell all that it has."""
    scene.campus.hush(edge)
    wait_until(lambda: scene.campus.settled(edge), DRAIN_S, f"the devices of {edge} have said all", poll_s=0.1)
    quiet_since = time.monotonic()

    def told() -> bool:
        nonlocal quiet_since
        if not scene.street.drained(edge):
            quiet_since = time.monotonic()
        return time.monotonic() - quiet_since > 1.5

    wait_until(told, DRAIN_S, f"{edge} has told all", poll_s=0.1)


def _when_hub_answers(action: object) -> None:
    """Do it as soon as the hub can be asked."""
    assert callable(action)
    end = time.monotonic() + DRAIN_S
    while True:
        try:
            action()
        except Exception as error:
            if time.monotonic() > end:
                raise AssertionError(f"the hub cannot be asked: {error}") from error
            time.sleep(0.5)
        else:
            return


_ALL: Final = frozenset({"hub", "worker", "database", "broker", "devices", "edge", "clock"})


def _shape(least_s: float, most_s: float, *touches: str) -> Shape:
    return Shape((least_s, most_s), frozenset(touches))


def _make_all() -> dict[str, Fault]:
    faults: dict[str, Fault] = {
        "kill_hub": Kill("hub", _shape(0, 0, "hub", "worker")),
        "kill_worker": Kill("hub-worker", _shape(0, 0, "worker")),
        "kill_api": Kill("hub-api", _shape(0, 0, "hub")),
        "kill_chores": Kill("hub-chores", _shape(0, 0, "hub")),
        "kill_edge": Kill("edge", _shape(0, 0, "edge")),
        "kill_broker": Kill("broker", _shape(0, 0, "broker")),
        "kill_device_broker": Kill("device-broker", _shape(0, 0, "devices", "edge")),
        "kill_database": Kill("postgres", _shape(0, 0, "database")),
        "database_away": Away("postgres", _shape(2, 30, "database", "hub")),
        "hub_away": Away("hub", _shape(2, 40, "hub", "worker")),
        "edge_away": Away("edge", _shape(2, 30, "edge", "devices")),
        "suspend_worker": Suspend("hub-worker", _shape(2, 40, "worker", "database")),
        "suspend_api": Suspend("hub-api", _shape(2, 40, "hub")),
        "suspend_edge": Suspend("edge", _shape(2, 40, "edge", "devices")),
        "suspend_database": Suspend("postgres", _shape(2, 40, "database", "hub")),
        "full_disk": FullDisk(True, _shape(2, 20, "edge", "devices")),
        "full_files": FullDisk(False, _shape(2, 20, "edge", "devices")),
        "read_only_disk": ReadOnlyDisk(_shape(2, 10, "edge", "devices")),
        "edge_clock": Clock("edge", _shape(3, 20, "clock", "edge")),
        "hub_clock": Clock("hub", _shape(3, 20, "clock", "hub")),
        "reinstall": Reinstall(True, _shape(0, 0, *_ALL)),
        "reinstall_over": Reinstall(False, _shape(0, 0, *_ALL)),
        "roll_back_spool": RollBackSpool(_shape(2, 10, *_ALL)),
        "restore_backup": RestoreBackup(_shape(3, 10, *_ALL)),
    }
    lines = {
        "hub-database": "database",
        "hub-broker": "broker",
        "edge-broker": "broker",
        "edge-devices": "devices",
    }
    spans = {
        "cut": (0, 0), "away": (2, 20), "delay": (3, 15), "throttle": (3, 10), "stall": (3, 40),
        "half_open": (3, 40), "truncate": (2, 10),
    }  # fmt: skip
    for line, part in lines.items():
        for how, span in spans.items():
            name = f"{how}_{line.replace('-', '_')}"
            faults[name] = Line(line, how, _shape(*span, part, *(("edge",) if part == "devices" else ())))
    return faults


FAULTS: Final[Mapping[str, Fault]] = _make_all()
