"""Handing a post over: the one who goes signs the list of what is open, the one who comes takes it by its
digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from hub.domain.error import ActRefused, InvalidAct, NotFound
from hub.domain.handover import Handover, HandoverAction, HandoverState, digest_list, next_handover_state
from hub.domain.roster import Duty
from hub.store.database import next_number
from hub.store.handover import (
    find_handover,
    find_open_handover,
    insert_handover,
    list_work,
    save_handover,
)
from hub.store.person import person_of_account
from hub.store.roster import load_duty, post_exists
from hub.store.turn import Turn

SOON: Final = timedelta(hours=2)
"""Who comes is whom the roster names so long from now, where he is not there yet."""


def act_on_handover(
    turn: Turn, target: str, verb: str, given: Mapping[str, Any], reason: str
) -> dict[str, Any]:
    """Sign a hand-over, or take, refuse or withdraw one. Raises NotFound, InvalidAct, ActRefused."""
    if verb == "sign":
        handover = _sign(turn, str(given.get("post") or ""), str(given.get("note") or ""))
    else:
        handover = _end(turn, target, verb, str(given.get("digest") or ""), reason)
    return {"handover": handover.handover, "state": handover.state.value, "digest": handover.digest}


def draw_list(turn: Turn) -> dict[str, Any]:
    """What is handed over at this moment. Ids only."""
    return list_work(turn.connection, turn.site)


def next_person(duty: Duty, post: str, turn: Turn, leaving: str | None) -> str | None:
    """Whom the roster names to take the post: now, or soon where it still names the one who goes."""
    for at in (turn.at, turn.at + SOON):
        for person in duty.persons(post, at):
            if person != leaving:
                return person
    return None


def _sign(turn: Turn, post: str, note: str) -> Handover:
    if not post or not post_exists(turn.connection, turn.site, [post]):
        raise InvalidAct(f"post: {post!r} is no post of this site; choose the post that is handed over")
    waiting = find_open_handover(turn.connection, turn.site, post)
    if waiting is not None:
        raise ActRefused(
            f"hand-over {waiting.handover} of this post is signed and not taken yet; take or refuse it"
        )
    listed = draw_list(turn)
    person = person_of_account(turn.connection, turn.site, turn.actor)
    handover = Handover(
        site=turn.site,
        handover=next_number(turn.connection, turn.site, "handover"),
        post=post,
        state=HandoverState.SIGNED,
        list=listed,
        digest=digest_list(listed),
        note=note,
        from_account=turn.actor,
        from_person=person,
        to_person=next_person(load_duty(turn.connection, turn.site, at=turn.at), post, turn, person),
        to_account=None,
        signed_at=turn.at,
    )
    insert_handover(turn.connection, handover)
    _journal(turn, "handover.signed", handover, list=listed)
    return handover


def _end(turn: Turn, target: str, verb: str, digest: str, reason: str) -> Handover:
    handover = find_handover(turn.connection, turn.site, int(target)) if target.isdecimal() else None
    if handover is None:
        raise NotFound("there is no such hand-over")
    try:
        action = HandoverAction(verb)
    except ValueError:
        raise InvalidAct(f"kind: handover.{verb} is no act; use sign, {', '.join(HandoverAction)}") from None
    state = next_handover_state(handover.state, action)
    own = turn.actor == handover.from_account
    if action is HandoverAction.WITHDRAW and not own:
        raise ActRefused("only who signed it may withdraw it; refuse it")
    if action is not HandoverAction.WITHDRAW and own:
        raise ActRefused("who signed it cannot take it: two accounts sign a hand-over")
    if action is not HandoverAction.ACKNOWLEDGE and not reason.strip():
        raise InvalidAct("reason: is missing; write why it is not taken over")
    if action is HandoverAction.ACKNOWLEDGE and digest != handover.digest:
        raise ActRefused("digest: is not that of the signed list; look at the list again and take that")
    taken = action is HandoverAction.ACKNOWLEDGE
    ended = replace(
        handover,
        state=state,
        to_account=turn.actor if taken else None,
        to_person=(person_of_account(turn.connection, turn.site, turn.actor) or handover.to_person)
        if taken
        else handover.to_person,
        ended_at=turn.at,
        reason=reason,
    )
    save_handover(turn.connection, ended)
    _journal(turn, f"handover.{state.value}", ended, reason=reason)
    return ended


def _journal(turn: Turn, kind: str, handover: Handover, **facts: Any) -> None:
    turn.journal(
        f"handover:{handover.handover}",
        kind,
        {
            "handover": handover.handover,
            "post": handover.post,
            "digest": handover.digest,
            "from_account": handover.from_account,
            "from_person": handover.from_person,
            "to_account": handover.to_account,
            "to_person": handover.to_person,
            **facts,
        },
    )
