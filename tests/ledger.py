"""Holding the simulators' ledger against the store: what was sent, what is stored, what became an alarm."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psycopg

from adapters.contract.vocabulary import KINDS


@dataclass(frozen=True, slots=True)
class Entry:
    """One event that a simulated device wrote down before it sent it."""

    device: str
    address: str
    kind: str
    active: bool | None
    identity: str


@dataclass(frozen=True, slots=True)
class Account:
    """The ledger held against the store; everything but the counts should be empty."""

    entries: int
    missing: list[Entry]
    repeated: list[Entry]
    without_alarm: list[Entry]
    alarms_twice: list[tuple[str, str]]

    @property
    def balanced(self) -> bool:
        return not (self.missing or self.repeated or self.without_alarm or self.alarms_twice)

    def __str__(self) -> str:
        return (
            f"{self.entries} ledger entries; missing {len(self.missing)}, stored more than once"
            f" {len(self.repeated)}, without alarm {len(self.without_alarm)}, alarms twice"
            f" {len(self.alarms_twice)}; first missing {self.missing[:3]}, first repeated {self.repeated[:3]},"
            f" first without alarm {self.without_alarm[:3]}"
        )


def read_ledger(file: Path) -> list[Entry]:
    """All whole lines; a line cut by a kill was never sent."""
    entries = []
    for line in file.read_bytes().split(b"\n")[:-1]:
        row = json.loads(line)
        entries.append(Entry(row["device"], row["address"], row["kind"], row["active"], row["identity"]))
    return entries


def balance(file: Path, dsn: str, alarm_kinds: frozenset[str]) -> Account:
    """Compare. Entries with an identity must be stored exactly once under it; those without (polled
    conditions, which have no message of their own) exactly as often as the ledger names them.
    An entry of one of `alarm_kinds` that began or happened must be evidence of an alarm. These kinds latch and
    nobody resets them meanwhile, so that there may be only one alarm of each about one subject, ever.
    """
    entries = read_ledger(file)
    with psycopg.connect(dsn) as connection:
        stored = Counter(
            Entry(*row)
            for row in connection.execute(
                "SELECT device, address, kind, active, identity FROM events WHERE edge <> 'hub'"
            )
        )
        evidence = Counter(
            Entry(*row)
            for row in connection.execute(
                "SELECT e.device, e.address, e.kind, e.active, e.identity FROM alarm_evidence v"
                " JOIN events e ON e.site = v.site AND e.event = v.event"
            )
        )
        twice = [
            (row[0], row[1])
            for row in connection.execute(
                "SELECT subject, condition FROM alarm WHERE kind = ANY(%s)"
                " GROUP BY site, subject, condition HAVING count(*) > 1",
                (sorted(alarm_kinds),),
            )
        ]
    wanted = Counter(entries)
    alarming = [
        entry
        for entry in wanted
        if entry.kind in alarm_kinds and (entry.active or not KINDS[entry.kind].condition)
    ]
    return Account(
        entries=len(entries),
        missing=[entry for entry, count in wanted.items() if stored[entry] < count],
        repeated=[entry for entry, count in wanted.items() if stored[entry] > count],
        without_alarm=[entry for entry in alarming if evidence[entry] < wanted[entry]],
        alarms_twice=twice,
    )
