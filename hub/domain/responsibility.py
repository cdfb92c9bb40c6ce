"""Who answers for a place: area × duty × person (一岗双责), and the places that nobody answers for. Pure.

A responsibility over a zone holds for all that lies in it, until a zone further in has its own for that duty.
The duty `safety` is the whole of it: who has it answers for every duty that nobody has by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

WHOLE: Final = "safety"
DUTIES: Final[Mapping[str, Mapping[str, str]]] = {
    WHOLE: {"zh": "安全总责", "en": "safety as a whole"},
    "fire": {"zh": "消防安全", "en": "fire safety"},
    "security": {"zh": "治安保卫", "en": "security"},
    "electrical": {"zh": "用电安全", "en": "electrical safety"},
    "gas": {"zh": "燃气安全", "en": "gas safety"},
    "food": {"zh": "食品安全", "en": "food safety"},
    "chemicals": {"zh": "危化品与实验室安全", "en": "chemicals and laboratories"},
    "dormitory": {"zh": "宿舍安全", "en": "dormitory safety"},
    "building": {"zh": "校舍与设施安全", "en": "buildings and installations"},
    "health": {"zh": "卫生防疫", "en": "health"},
    "traffic": {"zh": "交通与校车安全", "en": "traffic and school buses"},
    "network": {"zh": "网络与数据安全", "en": "network and data"},
    "education": {"zh": "安全教育与演练", "en": "safety lessons and drills"},
}
"""The duties that come along; a school may add others."""


class Rank(StrEnum):
    FIRST = "first"
    DEPUTY = "deputy"


@dataclass(frozen=True, slots=True)
class Responsibility:
    """A person answers for a duty in a zone (None: the whole site), from one day to another, both included."""

    zone: str | None
    duty: str
    person: str
    rank: Rank = Rank.FIRST
    valid_from: date | None = None
    valid_to: date | None = None
    responsibility: int = 0

    def holds(self, on: date) -> bool:
        return (self.valid_from is None or self.valid_from <= on) and (
            self.valid_to is None or on <= self.valid_to
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answers now. `reachable` are those who are there, the first ones before deputies; `away` are on
    leave. `zone` is where the responsibility lies (None: the whole site), `duty` whether that very duty or the
    whole. Where nobody answers, `entries` is empty.
    """

    zone: str | None
    duty: str
    entries: tuple[Responsibility, ...]
    reachable: tuple[str, ...]
    away: tuple[str, ...]


def answers(
    entries: Iterable[Responsibility],
    parents: Mapping[str, str | None],
    zone: str | None,
    duty: str,
    *,
    on: date,
    away: frozenset[str] = frozenset(),
) -> Answer:
    """Who answers for a duty in a zone on that day: the innermost zone that has it decides; the duty by name
    goes before the whole. Where all of a place are away, the next further out come in behind them.
    """
    valid = [each for each in entries if each.holds(on)]
    path = [*_path(zone, parents), None]
    chosen: list[list[Responsibility]] = [
        sorted(found, key=lambda each: (each.rank is not Rank.FIRST, each.responsibility))
        for wanted in dict.fromkeys((duty, WHOLE))
        for place in path
        if (found := [each for each in valid if each.zone == place and each.duty == wanted])
    ]
    if not chosen:
        return Answer(None, duty, (), (), ())
    reachable: dict[str, None] = {}
    absent: dict[str, None] = {}
    for found in chosen:
        for each in found:
            (absent if each.person in away else reachable)[each.person] = None
        if reachable:
            break
    nearest = chosen[0]
    return Answer(nearest[0].zone, nearest[0].duty, tuple(nearest), tuple(reachable), tuple(absent))


def unanswered(
    entries: Sequence[Responsibility],
    parents: Mapping[str, str | None],
    *,
    on: date,
    duty: str = WHOLE,
    persons: frozenset[str] | None = None,
) -> tuple[str, ...]:
    """The zones for which nobody answers on that day, in the given order; `persons`: who can answer at all."""
    able = [each for each in entries if persons is None or each.person in persons]
    return tuple(zone for zone in parents if not answers(able, parents, zone, duty, on=on).entries)


def _path(zone: str | None, parents: Mapping[str, str | None]) -> list[str]:
    path: list[str] = []
    while zone is not None and zone not in path:
        path.append(zone)
        zone = parents.get(zone)
    return path
