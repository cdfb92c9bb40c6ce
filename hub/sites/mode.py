"""Setting, extending and ending modes; each an act with a reason, in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hub.domain.error import ActRefused, InvalidAct, NotFound
from hub.domain.mode import (
    Mode,
    ModeKind,
    ModeState,
    Subject,
    ThreatLevel,
    check_mode,
    end_mode,
    expire_mode,
    extend_mode,
)
from hub.store.database import next_number
from hub.store.mode import (
    find_mode,
    insert_mode,
    list_unready,
    modes_that_ran_out,
    open_modes,
    save_mode,
    subject_exists,
)
from hub.store.turn import Turn
from hub.store.zone import zones_below


def act_on_mode(turn: Turn, target: str, verb: str, given: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """Set a mode, or extend or end one of the kind given. Raises NotFound, InvalidAct, ActRefused.

    Returns its number, its state and, where an area was armed, what stands open in it (`unready`).
    """
    kind = ModeKind(str(given.get("kind")))
    if verb == "set":
        mode = _set(turn, kind, given, reason)
    elif verb in ("extend", "end"):
        mode = _change(turn, kind, target, verb, given.get("expires_at"), reason)
    else:
        raise InvalidAct(f"kind: mode.{verb} is no act; use set, extend, end")
    unready = []
    if mode.kind is ModeKind.ARMED and mode.state.open:
        zones = zones_below(turn.connection, turn.site, mode.subject)
        unready = list_unready(turn.connection, turn.site, zones)
    return {"mode": mode.mode, "state": mode.state.value, "unready": unready}


def expire_modes(turn: Turn, limit: int) -> int:
    """End what has run out, at the moment that was set; how many. In the site's turn."""
    over = modes_that_ran_out(turn.connection, turn.site, turn.at, limit)
    for each in over:
        _save(turn, expire_mode(each, turn.at), "expired", each.reason)
    return len(over)


def _set(turn: Turn, kind: ModeKind, given: Mapping[str, Any], reason: str) -> Mode:
    mode = Mode(
        site=turn.site,
        mode=0,
        kind=kind,
        subject_kind=Subject(str(given.get("subject_kind"))),
        subject=str(given.get("subject") or ""),
        state=ModeState.SET,
        reason=reason,
        set_by=turn.actor,
        set_at=turn.at,
        expires_at=_moment(given.get("expires_at")),
        level=ThreatLevel(str(given["level"])) if given.get("level") else None,
        exit_delay=timedelta(seconds=int(given.get("exit_delay_s") or 0)),
        entry_delay=timedelta(seconds=int(given.get("entry_delay_s") or 0)),
    )
    check_mode(mode, turn.at)
    if not subject_exists(turn.connection, turn.site, mode.subject_kind, mode.subject):
        raise InvalidAct(
            f"subject: {mode.subject!r} is no {mode.subject_kind} of this site; choose one that it has"
        )
    # What has run out makes room in this turn, not when the next chore comes by.
    expire_modes(turn, 100)
    for each in open_modes(turn.connection, turn.site):
        if (each.kind, each.subject_kind, each.subject) == (kind, mode.subject_kind, mode.subject):
            raise ActRefused(f"mode {each.mode} is set there already; extend or end that one")
    numbered = replace(mode, mode=next_number(turn.connection, turn.site, "mode"))
    insert_mode(turn.connection, numbered)
    _journal(turn, numbered, "set", reason)
    return numbered


def _change(turn: Turn, kind: ModeKind, target: str, verb: str, expires_at: object, reason: str) -> Mode:
    mode = find_mode(turn.connection, turn.site, int(target)) if target.isdecimal() else None
    if mode is None or mode.kind is not kind:
        raise NotFound("there is no such mode")
    if verb == "extend":
        changed = extend_mode(mode, _moment(expires_at), reason, turn.at)
    else:
        changed = end_mode(mode, turn.actor, reason, turn.at)
    _save(turn, changed, "extended" if verb == "extend" else "ended", reason)
    return changed


def _save(turn: Turn, mode: Mode, word: str, reason: str) -> None:
    save_mode(turn.connection, mode)
    _journal(turn, mode, word, reason)


def _journal(turn: Turn, mode: Mode, word: str, reason: str) -> None:
    """The whole mode, so that a reader of the journal knows it without its row."""
    turn.journal(
        f"mode:{mode.mode}",
        f"mode.{word}",
        {
            "mode": mode.mode,
            "kind": mode.kind.value,
            "subject_kind": mode.subject_kind.value,
            "subject": mode.subject,
            "level": mode.level.value if mode.level else None,
            "set_at": mode.set_at.isoformat(),
            "expires_at": mode.expires_at.isoformat() if mode.expires_at else None,
            "ended_at": mode.ended_at.isoformat() if mode.ended_at else None,
            "exit_delay_s": mode.exit_delay.total_seconds(),
            "entry_delay_s": mode.entry_delay.total_seconds(),
            "reason": reason,
        },
    )


def _moment(given: object) -> datetime | None:
    if given is None or isinstance(given, datetime):
        return given
    raise InvalidAct(f"expires_at: {given!r} is no time; give one with a time zone")
