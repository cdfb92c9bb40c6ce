"""What people do with the roster: shifts, leave, substitution, the school's figures, responsibilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from hub.domain.calendar import DayKind
from hub.domain.error import ActRefused, InvalidAct, NotFound
from hub.domain.responsibility import DUTIES, Rank, Responsibility
from hub.domain.roster import Absence, Cycle, Shift, Substitution
from hub.domain.staffing import SchoolFigures, read_rule
from hub.store.database import next_number
from hub.store.person import able_persons
from hub.store.responsibility import (
    find_responsibility,
    load_responsibilities,
    remove_responsibility,
    save_responsibility,
)
from hub.store.roster import (
    find_shift,
    insert_absence,
    insert_substitution,
    load_shifts,
    post_exists,
    remove_absence,
    remove_shift,
    remove_substitution,
    save_figures,
    save_shift,
)
from hub.store.turn import Turn
from hub.store.zone import zone_exists

MOST_ENTRIES: Final = 2_000
"""So many shifts, or entries of the matrix, a site may have: each look at the roster reads them all."""
LONGEST: Final = timedelta(days=366)
"""A leave or a substitution of one entry."""


def act_on_roster(turn: Turn, target: str, verb: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """One change of the roster; returns the number of what it made or changed. Raises NotFound, InvalidAct."""
    handle = _ACTS.get(verb)
    if handle is None:
        raise InvalidAct(f"kind: roster.{verb} is no act; use roster.{', roster.'.join(sorted(_ACTS))}")
    return handle(turn, target, given)


def _save_shift(turn: Turn, target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    if target and find_shift(turn.connection, turn.site, _number(target)) is None:
        raise NotFound("there is no such shift")
    if not target and len(load_shifts(turn.connection, turn.site)) >= MOST_ENTRIES:
        raise ActRefused(f"{MOST_ENTRIES} shifts are the most; a rotation stands for many")
    _check_post(turn, given["post"])
    _check_persons(turn, given["person"])
    _check_zone(turn, given.get("zone"))
    cycle = given.get("cycle")
    if cycle is not None and max(cycle["on"]) >= cycle["days"]:
        raise InvalidAct(
            f"cycle.on: {max(cycle['on'])} lies outside a cycle of {cycle['days']} days; it counts from 0"
        )
    first, last = given.get("valid_from"), given.get("valid_to")
    if first is not None and last is not None and last < first:
        raise InvalidAct(f"valid_to: {last} is before {first}; write the last day on which the shift begins")
    shift = Shift(
        post=given["post"],
        person=given["person"],
        days=frozenset(given["days"]),
        begins=given["begins"],
        ends=given["ends"],
        zone=given.get("zone"),
        kinds=frozenset(DayKind(kind) for kind in given.get("kinds") or ()),
        cycle=cycle and Cycle(cycle["days"], frozenset(cycle["on"]), cycle["since"]),
        valid_from=first,
        valid_to=last,
        shift=_number(target) if target else next_number(turn.connection, turn.site, "shift"),
    )
    save_shift(turn.connection, turn.site, shift)
    turn.journal(f"shift:{shift.shift}", "shift.saved", _describe(shift))
    return {"shift": shift.shift}


def _remove_shift(turn: Turn, target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    shift = find_shift(turn.connection, turn.site, _number(target))
    if shift is None:
        raise NotFound("there is no such shift")
    remove_shift(turn.connection, turn.site, shift.shift)
    turn.journal(f"shift:{shift.shift}", "shift.removed", _describe(shift))
    return {"shift": shift.shift}


def _add_absence(turn: Turn, target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    begins, ends = _span(given)
    _check_persons(turn, given["person"])
    number = next_number(turn.connection, turn.site, "absence")
    insert_absence(turn.connection, turn.site, Absence(given["person"], begins, ends, number))
    body = {"absence": number, "person": given["person"], "begins": begins, "ends": ends}
    turn.journal(f"person:{given['person']}", "absence.added", body)
    return {"absence": number}


def _remove_absence(turn: Turn, target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    row = remove_absence(turn.connection, turn.site, _number(target))
    if row is None:
        raise NotFound("there is no such leave")
    turn.journal(f"person:{row['person']}", "absence.removed", {"absence": _number(target), **row})
    return {"absence": _number(target)}


def _add_substitution(turn: Turn, target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    begins, ends = _span(given)
    person, substitute, post = given["person"], given["substitute"], given.get("post")
    _check_persons(turn, person, substitute)
    if person == substitute:
        raise InvalidAct("substitute: is the person himself; choose another")
    if post is not None:
        _check_post(turn, post)
    number = next_number(turn.connection, turn.site, "substitution")
    insert_substitution(
        turn.connection, turn.site, Substitution(post, person, substitute, begins, ends, number)
    )
    turn.journal(
        f"person:{person}",
        "substitution.added",
        {
            "substitution": number,
            "person": person,
            "substitute": substitute,
            "post": post,
            "begins": begins,
            "ends": ends,
        },
    )
    return {"substitution": number}


def _remove_substitution(turn: Turn, target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    row = remove_substitution(turn.connection, turn.site, _number(target))
    if row is None:
        raise NotFound("there is no such substitution")
    turn.journal(f"person:{row['person']}", "substitution.removed", {"substitution": _number(target), **row})
    return {"substitution": _number(target)}


def _set_figures(turn: Turn, target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    rule: Mapping[str, Any] = given.get("rule") or {}
    figures = SchoolFigures(
        pupils=given["pupils"],
        boarding=given["boarding"],
        guard_posts=tuple(given["guard_posts"]),
        control_posts=tuple(given["control_posts"]),
        rule=read_rule(rule),
        set_by_school=frozenset(rule),
    )
    if not post_exists(turn.connection, turn.site, [*figures.guard_posts, *figures.control_posts]):
        raise InvalidAct("guard_posts: names a post that this site does not have; choose among its posts")
    save_figures(turn.connection, turn.site, figures)
    turn.journal("hub:staffing", "staffing.set", {**given, "rule": dict(rule)})
    return {"site": turn.site}


def act_on_responsibility(turn: Turn, target: str, verb: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Enter, change or remove an entry of the responsibility matrix. Raises NotFound, InvalidAct."""
    number = _number(target) if target else 0
    known = find_responsibility(turn.connection, turn.site, number) if target else None
    if target and known is None:
        raise NotFound("there is no such responsibility")
    if verb == "remove" and known is not None:
        remove_responsibility(turn.connection, turn.site, number)
        turn.journal(f"responsibility:{number}", "responsibility.removed", _tell(known))
        return {"responsibility": number}
    if verb != "save":
        raise InvalidAct(f"kind: responsibility.{verb} is no act; use responsibility.save or .remove")
    if not target and len(load_responsibilities(turn.connection, turn.site)) >= MOST_ENTRIES:
        raise ActRefused(f"{MOST_ENTRIES} entries are the most; one for a building holds for its rooms")
    if given["duty"] not in DUTIES:
        raise InvalidAct(f"duty: {given['duty']!r} is no duty; use one of {', '.join(DUTIES)}")
    _check_persons(turn, given["person"])
    _check_zone(turn, given.get("zone"))
    first, last = given.get("valid_from"), given.get("valid_to")
    if first is not None and last is not None and last < first:
        raise InvalidAct(f"valid_to: {last} is before {first}; write the last day")
    entry = Responsibility(
        given.get("zone"), given["duty"], given["person"], Rank(given["rank"]), first, last, number
    )
    if not target:
        entry = replace(entry, responsibility=next_number(turn.connection, turn.site, "responsibility"))
    save_responsibility(turn.connection, turn.site, entry)
    turn.journal(f"responsibility:{entry.responsibility}", "responsibility.saved", _tell(entry))
    return {"responsibility": entry.responsibility}


def _describe(shift: Shift) -> dict[str, Any]:
    cycle = shift.cycle
    return {
        "shift": shift.shift,
        "post": shift.post,
        "person": shift.person,
        "zone": shift.zone,
        "days": sorted(shift.days),
        "begins": shift.begins,
        "ends": shift.ends,
        "kinds": sorted(kind.value for kind in shift.kinds),
        "cycle": cycle and {"days": cycle.length, "on": sorted(cycle.on), "since": cycle.since},
        "valid_from": shift.valid_from,
        "valid_to": shift.valid_to,
    }


def _tell(entry: Responsibility) -> dict[str, Any]:
    return {
        "responsibility": entry.responsibility,
        "zone": entry.zone,
        "duty": entry.duty,
        "person": entry.person,
        "rank": entry.rank.value,
        "valid_from": entry.valid_from,
        "valid_to": entry.valid_to,
    }


def _number(target: str) -> int:
    if not target.isdecimal():
        raise InvalidAct(f"target: {target!r} is no number")
    return int(target)


def _span(given: Mapping[str, Any]) -> tuple[datetime, datetime]:
    begins, ends = given["begins"], given["ends"]
    if not begins < ends:
        raise InvalidAct("ends: is not after begins; write when the person is back")
    if ends - begins > LONGEST:
        raise InvalidAct(f"ends: is more than {LONGEST.days} days after begins; set the person inactive")
    return begins, ends


def _check_post(turn: Turn, post: str) -> None:
    if not post_exists(turn.connection, turn.site, [post]):
        raise InvalidAct(f"post: {post!r} is no post of this site; choose one of its posts")


def _check_persons(turn: Turn, *persons: str) -> None:
    able = able_persons(turn.connection, turn.site)
    for person in persons:
        if person not in able:
            raise InvalidAct(f"person: {person!r} is no active person of this site; enter the person first")


def _check_zone(turn: Turn, zone: str | None) -> None:
    if zone is not None and not zone_exists(turn.connection, turn.site, zone):
        raise InvalidAct(f"zone: {zone!r} is no place of this site; choose one of its zones")


RosterAct = Callable[[Turn, str, Mapping[str, Any]], dict[str, Any]]
_ACTS: Final[dict[str, RosterAct]] = {
    "save_shift": _save_shift,
    "remove_shift": _remove_shift,
    "add_absence": _add_absence,
    "remove_absence": _remove_absence,
    "add_substitution": _add_substitution,
    "remove_substitution": _remove_substitution,
    "set_staffing": _set_figures,
}
