"""One run: start the street, let the campus speak, break things by the schedule, mend, wait, account."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
import psycopg

from hub import app as hub_app
from tests.chaos.account import Account, balance, check_screen
from tests.chaos.campus import Campus, Pace
from tests.chaos.fault import FAULTS, Fault, Scene
from tests.chaos.schedule import Round, plan
from tests.chaos.school import EDGES, School
from tests.chaos.street import Street
from tests.waiting import wait_until

RECOVERY_S = 120.0
"""Longest time that anything may take to be well again."""
PASSWORD = "correct horse battery staple 7"


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is made of; the same options give the same schedule."""

    seed: int
    rounds: int
    only: Collection[str] = ()
    longest_s: float = 40.0
    school: School = field(default_factory=School)
    pace: Pace = field(default_factory=Pace)
    keep: bool = False


@dataclass(slots=True)
class Result:
    """What came out. `account.findings` is empty where all is well."""

    account: Account = field(default_factory=Account)
    recoveries: list[tuple[float, str]] = field(default_factory=list)
    folder: str = ""


def run(options: Options, say: Callable[[str], None]) -> Result:
    """Run it; says each fault with its time. The folder is kept where anything was found."""
    rounds = plan(
        options.seed,
        options.rounds,
        {kind: fault.shape for kind, fault in FAULTS.items()},
        options.only,
        longest_s=options.longest_s,
    )
    street = Street(options.school)
    result = Result(folder=str(street.folder))
    good = False
    campus: Campus | None = None
    try:
        street.start()
        campus = Campus(
            street.device_broker.port, street.school, street.folder / "ledger.jsonl", options.seed, options.pace
        )
        scene = Scene(street, campus)
        begun = time.monotonic()
        for one in rounds:
            _play(one, scene, result, lambda words: say(f"{time.monotonic() - begun:7.1f} s  {words}"))
        _settle(scene)
        result.account = balance(street, campus, scene.restored)
        _look_at_screen(result.account, street)
        result.account.figures |= _figures(result, scene, begun)
        good = not result.account.findings
    finally:
        if campus is not None:
            with suppress(AssertionError):
                campus.stop()
        street.stop(keep=options.keep or not good)
    return result


def _play(one: Round, scene: Scene, result: Result, say: Callable[[str], None]) -> None:
    """One round: begin and end each fault at its time, then wait until events come through again."""
    time.sleep(one.pause_s)
    begun = time.monotonic()
    todo: list[tuple[float, str, Fault, int, bool]] = []
    for blow in one.blows:
        fault = copy.copy(FAULTS[blow.kind])
        todo.append((blow.after_s, blow.kind, fault, blow.seed, True))
        todo.append((blow.after_s + blow.lasts_s, blow.kind, fault, blow.seed, False))
    begun_faults: list[Fault] = []
    try:
        for after_s, kind, fault, seed, begins in sorted(todo, key=lambda entry: (entry[0], not entry[4])):
            time.sleep(max(0.0, begun + after_s - time.monotonic()))
            if begins:
                begun_faults.append(fault)
                say(f"round {one.number}: {kind}: {fault.begin(scene, random.Random(seed))}")
            else:
                fault.end(scene)
                begun_faults.remove(fault)
    finally:
        for fault in begun_faults:
            with suppress(OSError):
                fault.end(scene)
    took_s = _await_recovery(scene)
    result.recoveries.append((took_s, " + ".join(blow.kind for blow in one.blows)))
    say(f"round {one.number}: well again after {took_s:.1f} s")


def _await_recovery(scene: Scene) -> float:
    """Until something that each edge's devices said from now on is stored and the hub says that it is ready."""
    begun, number = time.monotonic(), scene.campus.said

    def recovered() -> bool:
        later = scene.campus.sayings[number:]
        if not all(any(one.edge == edge for one in later) for edge in EDGES):
            return False
        try:
            with scene.street.connect() as connection:
                stored = connection.execute(
                    "SELECT DISTINCT edge FROM events WHERE identity = ANY(%s)",
                    ([one.identity for one in later],),
                ).fetchall()
        except psycopg.Error:
            return False
        return len(stored) == len(EDGES) and scene.street.hub_ready()

    wait_until(recovered, RECOVERY_S, "what is said comes through again", poll_s=0.2)
    return time.monotonic() - begun


def _settle(scene: Scene) -> None:
    """All have said all, and the hub has receipted it."""
    for line in scene.street.lines.values():
        line.heal()
    scene.campus.stop()
    for edge in EDGES:
        wait_until(lambda edge=edge: scene.street.drained(edge), RECOVERY_S, f"{edge} is drained", poll_s=0.2)
    last = -1

    def still() -> bool:
        nonlocal last
        with scene.street.connect() as connection:
            row = connection.execute("SELECT count(*) FROM events").fetchone()
        before, last = last, int(row[0]) if row else 0
        return before == last and all(scene.street.drained(edge) for edge in EDGES)

    wait_until(still, RECOVERY_S, "nothing more comes", poll_s=1.5)


def _look_at_screen(account: Account, street: Street) -> None:
    token = hub_app.setup_token(street.folder / "hub.yaml")
    person = {"token": token, "name": "fire", "display_name": "fire", "password": PASSWORD}
    with httpx2.Client(
        base_url=street.console, headers={"X-Sanfang": "1"}, timeout=20.0, trust_env=False
    ) as client:
        client.post("/api/v1/setup", json=person).raise_for_status()
        check_screen(account, street, client)


def _figures(result: Result, scene: Scene, begun: float) -> dict[str, Any]:
    slowest = sorted(result.recoveries, reverse=True)[:3]
    return {
        "seconds": round(time.monotonic() - begun),
        "devices lost their broker": len(scene.campus.losses),
        "restored backups": len(scene.restored),
        "slowest recoveries": [f"{took_s:.1f} s after {kinds}" for took_s, kinds in slowest],
        "memory MB": {name: round(size) for name, size in scene.street.memory_mb().items()},
    }


def report(options: Options, result: Result, say: Callable[[str], None]) -> None:
    """The figures, the findings, and how to repeat a run that failed."""
    for name, value in result.account.figures.items():
        say(f"  {name:28} {value}")
    for finding in result.account.findings:
        say(f"  NOT WELL: {finding}")
    only = f"FAULTS={','.join(options.only)} " if options.only else ""
    again = f"ROUNDS={options.rounds} SEED={options.seed} {only}make chaos"
    if result.account.findings:
        say(f"repeat it with: {again}   (its folder: {result.folder})")
