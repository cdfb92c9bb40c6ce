"""What people do with persons: enter, change, give a card, resolve a pseudonym, take out, erase.

The journal's rows hold ids and what was changed, never a name, a contact or a certificate's number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hub.domain.error import ActRefused, InvalidAct, NotFound
from hub.domain.pseudonym import is_pseudonym, make_pseudonym
from hub.store.person import (
    PersonSheet,
    able_persons,
    add_credential,
    erase_person,
    find_person,
    person_of_account,
    pseudonym_secret,
    remove_committee,
    remove_credential,
    resolve_holder,
    save_committee,
    save_person,
)
from hub.store.roster import post_exists
from hub.store.turn import Turn

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_CARD: Final = re.compile(r"\S(.{0,98}\S)?")


def act_on_person(turn: Turn, target: str, verb: str, given: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """One act on a person, or on a pseudonym; returns ids. Raises NotFound, InvalidAct, ActRefused."""
    handle = _ACTS.get(verb)
    if handle is None:
        raise InvalidAct(f"kind: person.{verb} is no act; use person.{', person.'.join(sorted(_ACTS))}")
    return handle(turn, target, given, reason)


def _save(turn: Turn, person: str, given: Mapping[str, Any], reason: str) -> dict[str, Any]:
    if not _NAME.fullmatch(person):
        raise InvalidAct(
            f"person: {person!r} is no id; use a-z 0-9 _ . - (63 at most, beginning with a letter or digit)"
        )
    row = find_person(turn.connection, turn.site, person)
    if row is not None and row["erased_at"] is not None:
        raise ActRefused(f"{person} was erased; enter a person of another id")
    if not str(given["name"]).strip():
        raise InvalidAct("name: is missing; write the person's name")
    posts: Sequence[str] = given.get("posts") or ()
    if not post_exists(turn.connection, turn.site, posts):
        raise InvalidAct("posts: names a post that this site does not have; choose among its posts")
    account = given.get("account")
    if account is not None:
        other = person_of_account(turn.connection, turn.site, account)
        if other not in (None, person):
            raise InvalidAct(f"account: is {other}'s; an account is one person's")
    kinds = [each["kind"] for each in given.get("qualifications") or ()]
    if len(set(kinds)) != len(kinds):
        raise InvalidAct("qualifications: names a kind twice; enter the certificate that is good the longest")
    sheet = PersonSheet(
        name=str(given["name"]).strip(),
        account=account,
        active=bool(given.get("active", True)),
        contacts=given.get("contacts"),
        posts=posts,
        qualifications=given.get("qualifications") or (),
    )
    save_person(turn.connection, turn.site, person, sheet)
    kind = "person.added" if row is None else "person.changed"
    body = {"person": person, "active": sheet.active, "posts": list(posts), "qualifications": sorted(kinds)}
    if sheet.contacts is not None:
        body["contacts"] = len(sheet.contacts)
    turn.journal(f"person:{person}", kind, body)
    return {"person": person}


def _erase(turn: Turn, person: str, given: Mapping[str, Any], reason: str) -> dict[str, Any]:
    row = _load(turn, person)
    _demand_reason(reason, "why the data go")
    if row["erased_at"] is not None:
        raise ActRefused(f"{person} was erased already")
    erase_person(turn.connection, turn.site, person, turn.at)
    turn.journal(f"person:{person}", "person.erased", {"person": person, "reason": reason})
    return {"person": person}


def _add_card(turn: Turn, person: str, given: Mapping[str, Any], reason: str) -> dict[str, Any]:
    row = _load(turn, person)
    if row["erased_at"] is not None:
        raise ActRefused(f"{person} was erased; a card needs a person")
    number = str(given.get("number") or "").strip()
    if not _CARD.fullmatch(number):
        raise InvalidAct("number: is no card number; write it as the reader tells it (100 characters at most)")
    holder = number
    if not is_pseudonym(number):
        holder = make_pseudonym(pseudonym_secret(turn.connection, turn.site), number)
    before = add_credential(turn.connection, turn.site, holder, person, turn.at)
    turn.journal(f"person:{person}", "person.card_given", {"person": person, "holder": holder, "was": before})
    return {"person": person, "holder": holder}


def _remove_card(turn: Turn, person: str, given: Mapping[str, Any], reason: str) -> dict[str, Any]:
    _load(turn, person)
    holder = str(given.get("holder") or "")
    if resolve_holder(turn.connection, turn.site, holder) != person:
        raise NotFound(f"{person} has no such card")
    remove_credential(turn.connection, turn.site, holder)
    turn.journal(f"person:{person}", "person.card_taken", {"person": person, "holder": holder})
    return {"person": person, "holder": holder}


def _resolve(turn: Turn, holder: str, given: Mapping[str, Any], reason: str) -> dict[str, Any]:
    _demand_reason(reason, "what it has to be known for")
    person = resolve_holder(turn.connection, turn.site, holder)
    # Journaled whatever came of it: that somebody asked is what the person has a right to learn.
    turn.journal(
        f"person:{person}" if person else "hub:people",
        "person.resolved",
        {"holder": holder[:100], "person": person, "reason": reason},
    )
    return {"holder": holder, "person": person}


def _export(turn: Turn, person: str, given: Mapping[str, Any], reason: str) -> dict[str, Any]:
    _load(turn, person)
    turn.journal(f"person:{person}", "person.exported", {"person": person, "reason": reason})
    return {"person": person}


def act_on_committee(
    turn: Turn, committee: str, verb: str, given: Mapping[str, Any], reason: str
) -> dict[str, Any]:
    """Enter, change or dissolve a committee. Raises NotFound, InvalidAct."""
    subject = f"committee:{committee}"
    if verb == "remove":
        if not remove_committee(turn.connection, turn.site, committee):
            raise NotFound("there is no such committee")
        turn.journal(subject, "committee.removed", {"committee": committee})
        return {"committee": committee}
    if verb != "save":
        raise InvalidAct(f"kind: committee.{verb} is no act; use committee.save or committee.remove")
    if not _NAME.fullmatch(committee):
        raise InvalidAct(f"committee: {committee!r} is no id; use a-z 0-9 _ . -")
    members: Sequence[Mapping[str, Any]] = given.get("members") or ()
    persons = [each["person"] for each in members]
    strangers = set(persons) - able_persons(turn.connection, turn.site)
    if strangers or len(set(persons)) != len(persons):
        raise InvalidAct(
            f"members: {', '.join(sorted(strangers)) or 'somebody'} stands twice or is no active person here"
        )
    if sum(each["seat"] == "chair" for each in members) > 1:
        raise InvalidAct("members: a committee has one chair; the others are deputies")
    save_committee(turn.connection, turn.site, committee, given["name"], members)
    seats = {each["person"]: each["seat"] for each in members}
    turn.journal(subject, "committee.saved", {"committee": committee, "seats": seats})
    return {"committee": committee}


def _load(turn: Turn, person: str) -> Mapping[str, Any]:
    row = find_person(turn.connection, turn.site, person)
    if row is None:
        raise NotFound("there is no such person")
    return row


def _demand_reason(reason: str, what: str) -> None:
    if not reason.strip():
        raise InvalidAct(f"reason: is missing; write {what}")


PersonAct = Callable[[Turn, str, Mapping[str, Any], str], dict[str, Any]]
_ACTS: Final[dict[str, PersonAct]] = {
    "save": _save,
    "erase": _erase,
    "add_card": _add_card,
    "remove_card": _remove_card,
    "resolve": _resolve,
    "export": _export,
}
