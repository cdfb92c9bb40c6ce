"""What a mode is: an area armed, something in test, an exam, a site's threat level; its states, how long it may
be set and when it runs out. Pure: time is an argument, and expiry is data (`expires_at`), not a timer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from hub.domain.error import InvalidAct
from hub.domain.machine import Nature, apply, build


class ModeKind(StrEnum):
    ARMED = "armed"
    TEST = "test"
    EXAM = "exam"
    THREAT_LEVEL = "threat_level"


class Subject(StrEnum):
    """What a mode can be set on; a zone always means the zone with all that lies in it."""

    SITE = "site"
    ZONE = "zone"
    DEVICE = "device"
    EDGE = "edge"


class ThreatLevel(StrEnum):
    """How alert a site is: normal (常态) and four levels above it, blue the lowest (四级), red the highest
    (一级). From practice, not read in a standard: to be verified.
    """

    NORMAL = "normal"
    BLUE = "blue"
    YELLOW = "yellow"
    ORANGE = "orange"
    RED = "red"


class ModeState(StrEnum):
    SET = "set"
    ENDED = "ended"
    EXPIRED = "expired"

    @property
    def open(self) -> bool:
        return self is ModeState.SET


class ModeAction(StrEnum):
    EXTEND = "extend"
    END = "end"
    EXPIRE = "expire"


_ONE = (Nature.PLAIN,)
MODE_TABLE: Final = build(
    [
        ((ModeState.SET,), ModeAction.EXTEND, ModeState.SET, _ONE),
        ((ModeState.SET,), ModeAction.END, ModeState.ENDED, _ONE),
        ((ModeState.SET,), ModeAction.EXPIRE, ModeState.EXPIRED, _ONE),
    ]
)
"""The whole life of a mode; one that is over is never opened again, another is set."""

PERMISSION: Final[Mapping[ModeKind, str]] = {
    ModeKind.ARMED: "mode.arm",
    ModeKind.TEST: "mode.test",
    ModeKind.EXAM: "mode.exam",
    ModeKind.THREAT_LEVEL: "mode.threaten",
}
"""Who may set, extend and end it: who holds this (hub/domain/permission.py)."""

SUBJECTS: Final[Mapping[ModeKind, frozenset[Subject]]] = {
    ModeKind.ARMED: frozenset({Subject.ZONE}),
    ModeKind.TEST: frozenset({Subject.DEVICE, Subject.ZONE, Subject.EDGE}),
    ModeKind.EXAM: frozenset({Subject.SITE, Subject.ZONE}),
    ModeKind.THREAT_LEVEL: frozenset({Subject.SITE}),
}

LONGEST: Final[Mapping[ModeKind, timedelta]] = {
    ModeKind.TEST: timedelta(hours=8),
    ModeKind.EXAM: timedelta(days=7),
}
"""The longest that these may last from now, extended or not; they must have an end. A test left on mutes an
alarm, so it lasts a working shift. Both values are ours, to be verified with schools.
"""

LONGEST_DELAY: Final = timedelta(minutes=5)
"""The longest entry or exit delay of an armed area; ours, to be verified."""

NO_DELAY: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Mode:
    """One mode of a site; times are aware UTC. At most one is open for each (site, kind, subject)."""

    site: str
    mode: int
    kind: ModeKind
    subject_kind: Subject
    subject: str
    state: ModeState
    reason: str
    set_by: str
    """`person:<account>`."""
    set_at: datetime
    expires_at: datetime | None = None
    level: ThreatLevel | None = None
    exit_delay: timedelta = NO_DELAY
    entry_delay: timedelta = NO_DELAY
    ended_at: datetime | None = None
    ended_by: str = ""
    """Empty where it ran out by itself."""
    end_reason: str = ""

    def due(self, now: datetime) -> bool:
        """Whether it has run out and nobody has said so yet."""
        return self.state.open and self.expires_at is not None and self.expires_at <= now

    def armed(self, now: datetime) -> bool:
        """Whether intrusion counts here: set as armed, not run out, and the time to leave is over."""
        return (
            self.kind is ModeKind.ARMED
            and self.state.open
            and not self.due(now)
            and now >= self.set_at + self.exit_delay
        )


def check_mode(mode: Mode, now: datetime) -> None:
    """Raises InvalidAct with the field, the fault and the cure where `mode` may not be set `now`."""
    if mode.subject_kind not in SUBJECTS[mode.kind]:
        possible = ", ".join(sorted(SUBJECTS[mode.kind]))
        raise InvalidAct(
            f"subject_kind: {mode.kind} cannot be set on a {mode.subject_kind}; possible: {possible}"
        )
    if not mode.subject.strip():
        raise InvalidAct(f"subject: is empty; name the {mode.subject_kind}")
    _check_reason(mode.reason)
    _check_expiry(mode.kind, mode.expires_at, now)
    if (mode.level is None) is (mode.kind is ModeKind.THREAT_LEVEL):
        cure = "give one of " + ", ".join(ThreatLevel) if mode.level is None else "leave it out"
        raise InvalidAct(f"level: belongs to threat_level, and to nothing else; {cure}")
    for name, delay in (("exit_delay", mode.exit_delay), ("entry_delay", mode.entry_delay)):
        if delay != NO_DELAY and mode.kind is not ModeKind.ARMED:
            raise InvalidAct(f"{name}: belongs to armed; leave it out")
        if not NO_DELAY <= delay <= LONGEST_DELAY:
            raise InvalidAct(f"{name}: {delay} is not between 0 and {LONGEST_DELAY}; give it in that range")


def extend_mode(mode: Mode, expires_at: datetime | None, reason: str, now: datetime) -> Mode:
    """The mode with another end. Raises IllegalTransition where it is over, also by time alone; InvalidAct for
    an end that cannot be.
    """
    state = apply(MODE_TABLE, _state(mode, now), ModeAction.EXTEND)
    _check_reason(reason)
    _check_expiry(mode.kind, expires_at, now)
    return replace(mode, state=state, expires_at=expires_at)


def end_mode(mode: Mode, by: str, reason: str, now: datetime) -> Mode:
    """The mode ended by a person. Raises IllegalTransition where it is over, also by time alone."""
    state = apply(MODE_TABLE, _state(mode, now), ModeAction.END)
    _check_reason(reason)
    return replace(mode, state=state, ended_at=now, ended_by=by, end_reason=reason)


def expire_mode(mode: Mode, now: datetime) -> Mode:
    """The mode as it is `now`: unchanged while it is not due, else run out at the moment that was set, not at
    the one at which somebody looked. The same again changes nothing.
    """
    if not mode.due(now):
        return mode
    state = apply(MODE_TABLE, mode.state, ModeAction.EXPIRE)
    return replace(mode, state=state, ended_at=mode.expires_at)


def _state(mode: Mode, now: datetime) -> ModeState:
    return ModeState.EXPIRED if mode.due(now) else mode.state


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidAct("reason: is empty; say why")


def _check_expiry(kind: ModeKind, expires_at: datetime | None, now: datetime) -> None:
    longest = LONGEST.get(kind)
    if expires_at is None:
        if longest is not None:
            raise InvalidAct(f"expires_at: {kind} must have an end; give one at most {longest} from now")
        return
    if expires_at.tzinfo is None:
        raise InvalidAct("expires_at: has no time zone; give one, such as +08:00")
    if expires_at <= now:
        raise InvalidAct("expires_at: is over already; give a time to come")
    if longest is not None and expires_at - now > longest:
        raise InvalidAct(f"expires_at: {kind} lasts at most {longest} from now; give an earlier end")
