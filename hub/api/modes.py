"""Modes over HTTP: what is armed, in test, sits an exam, and how alert the site is. A kind has its own routes,
because each has its own right.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, Field

from hub.api.act import AtDesk, Body, Desk, Line, Number, Words
from hub.api.compose import actor_name, address_name, device_name, kind_name, text_of, zone_of, zone_path
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import AtSite, may
from hub.api.views import Text, View
from hub.clock import utc_now
from hub.domain.mode import LONGEST_DELAY, PERMISSION, Mode, ModeKind, ModeState, Subject, ThreatLevel
from hub.store.database import Connection, borrow, reading
from hub.store.mode import find_mode, open_modes, past_modes
from hub.store.view import SiteWords

router = APIRouter(prefix="/api/v1/sites/{site}/modes", tags=["modes"])
ModeNumber = Annotated[Number, Path()]
Reason = Annotated[Words, Field(min_length=1)]
Delay = Annotated[int, Field(ge=0, le=int(LONGEST_DELAY.total_seconds()))]


class ModeView(View):
    """`in_force`: set, and not run out at the moment of the answer; `over_at` when it runs out or has ended.
    `subject_path`: where it is, outermost first.
    """

    mode: int
    kind: ModeKind
    subject_kind: Subject
    subject: str
    subject_path: list[Text]
    state: ModeState
    in_force: bool
    level: ThreatLevel | None
    reason: str
    set_by: str
    set_by_name: str | None
    set_at: datetime
    expires_at: datetime | None
    exit_delay_s: float
    entry_delay_s: float
    ended_at: datetime | None
    ended_by: str
    ended_by_name: str | None
    end_reason: str


class ModeList(View):
    """`modes`: what is set, in the order in which it was; `past`: the newest of what is over, last first."""

    modes: list[ModeView]
    past: list[ModeView]


class UnreadyView(View):
    """What stands in the way of an armed area: an open door, a fault, a device that does not answer."""

    device: str
    device_name: Text | None
    address_name: Text | None
    kind: str
    kind_name: Text
    observed_at: datetime


class ModeAnswer(View):
    """`unready`: where an area is armed, what stands open in it. It is armed all the same."""

    mode: ModeView
    unready: list[UnreadyView]


class ArmBody(Body):
    """`exit_delay_s`: from now until it counts; `entry_delay_s`: from the first door until it is an alarm."""

    zone: Annotated[Line, Field(min_length=1)]
    reason: Reason
    expires_at: AwareDatetime | None = None
    exit_delay_s: Delay = 0
    entry_delay_s: Delay = 0


class TestBody(Body):
    subject_kind: Literal["device", "zone", "edge"]
    subject: Annotated[Line, Field(min_length=1)]
    reason: Reason
    expires_at: AwareDatetime


class ExamBody(Body):
    """`zone` left out: the whole school."""

    zone: Line | None = None
    reason: Reason
    expires_at: AwareDatetime


class ThreatBody(Body):
    level: ThreatLevel
    reason: Reason
    expires_at: AwareDatetime | None = None


class ExtendBody(Body):
    reason: Reason
    expires_at: AwareDatetime | None = None


class EndBody(Body):
    reason: Reason


@router.get("", operation_id="listModes", dependencies=[may("mode.read")], responses=FAULTS)
def get_modes(here: Here, words: AtSite, limit: Annotated[int, Query(ge=0, le=200)] = 20) -> ModeList:
    """What is set, and what was."""
    now = utc_now()
    with borrow(here.pool, [words.site]) as connection, reading(connection):
        modes = open_modes(connection, words.site)
        past = past_modes(connection, words.site, limit)
    return ModeList(
        modes=[_view(each, words, now) for each in modes], past=[_view(each, words, now) for each in past]
    )


@router.post(
    "/armed", operation_id="armArea", dependencies=[may(PERMISSION[ModeKind.ARMED])], responses=ACT_FAULTS
)
def post_armed(body: ArmBody, desk: AtDesk) -> ModeAnswer:
    """Arm a zone with all that lies in it; answers with what stands open there."""
    given = {**body.model_dump(exclude={"zone", "reason"}), "subject_kind": Subject.ZONE, "subject": body.zone}
    return _perform(desk, "set", "", ModeKind.ARMED, given, body.reason)


@router.post(
    "/test", operation_id="setTestMode", dependencies=[may(PERMISSION[ModeKind.TEST])], responses=ACT_FAULTS
)
def post_test(body: TestBody, desk: AtDesk) -> ModeAnswer:
    """Put a device, a zone or an edge in test, for eight hours at most."""
    return _perform(desk, "set", "", ModeKind.TEST, body.model_dump(exclude={"reason"}), body.reason)


@router.post(
    "/exam", operation_id="setExamMode", dependencies=[may(PERMISSION[ModeKind.EXAM])], responses=ACT_FAULTS
)
def post_exam(body: ExamBody, desk: AtDesk) -> ModeAnswer:
    """An exam at the school or in a zone, for seven days at most."""
    where: dict[str, Any] = {"subject_kind": Subject.SITE, "subject": desk.words.site}
    if body.zone is not None:
        where = {"subject_kind": Subject.ZONE, "subject": body.zone}
    return _perform(desk, "set", "", ModeKind.EXAM, {**where, "expires_at": body.expires_at}, body.reason)


@router.post(
    "/threat_level",
    operation_id="setThreatLevel",
    dependencies=[may(PERMISSION[ModeKind.THREAT_LEVEL])],
    responses=ACT_FAULTS,
)
def post_threat_level(body: ThreatBody, desk: AtDesk) -> ModeAnswer:
    """How alert the site is. While a level is set, end it before another is."""
    given = {
        "subject_kind": Subject.SITE,
        "subject": desk.words.site,
        "level": body.level,
        "expires_at": body.expires_at,
    }
    return _perform(desk, "set", "", ModeKind.THREAT_LEVEL, given, body.reason)


def _add_changes(kind: ModeKind, word: str) -> None:
    """The two routes by which a mode of a kind is extended and ended."""

    @router.post(
        f"/{kind.value}/{{mode}}/extend",
        operation_id=f"extend{word}",
        dependencies=[may(PERMISSION[kind])],
        responses=ACT_FAULTS,
    )
    def post_extend(body: ExtendBody, desk: AtDesk, mode: ModeNumber) -> ModeAnswer:
        """Another end for what is set."""
        return _perform(desk, "extend", mode, kind, {"expires_at": body.expires_at}, body.reason)

    @router.post(
        f"/{kind.value}/{{mode}}/end",
        operation_id=f"end{word}",
        dependencies=[may(PERMISSION[kind])],
        responses=ACT_FAULTS,
    )
    def post_end(body: EndBody, desk: AtDesk, mode: ModeNumber) -> ModeAnswer:
        """End it now."""
        return _perform(desk, "end", mode, kind, {}, body.reason)


for _kind, _word in (
    (ModeKind.ARMED, "Armed"),
    (ModeKind.TEST, "TestMode"),
    (ModeKind.EXAM, "ExamMode"),
    (ModeKind.THREAT_LEVEL, "ThreatLevel"),
):
    _add_changes(_kind, _word)


def _perform(
    desk: Desk, verb: str, target: object, kind: ModeKind, given: dict[str, Any], reason: str
) -> ModeAnswer:
    def answer(connection: Connection, words: SiteWords, result: Any) -> ModeAnswer:
        mode = find_mode(connection, words.site, result["mode"])
        if mode is None:
            raise LookupError(f"mode {result['mode']} of {words.site} is gone within its own turn")
        return ModeAnswer(
            mode=_view(mode, words, utc_now()),
            unready=[
                UnreadyView(
                    device=row["device"],
                    device_name=device_name(words, row["device"]),
                    address_name=address_name(words, row["device"], row["address"]),
                    kind=row["kind"],
                    kind_name=kind_name(row["kind"]),
                    observed_at=row["observed_at"],
                )
                for row in result["unready"]
            ],
        )

    done = desk.perform(f"mode.{verb}", target, {**given, "kind": kind.value}, answer, reason=reason)
    return ModeAnswer.model_validate(done)


def _view(mode: Mode, words: SiteWords, now: datetime) -> ModeView:
    return ModeView(
        mode=mode.mode,
        kind=mode.kind,
        subject_kind=mode.subject_kind,
        subject=mode.subject,
        subject_path=_path(mode, words),
        state=mode.state,
        in_force=mode.state.open and not mode.due(now),
        level=mode.level,
        reason=mode.reason,
        set_by=mode.set_by,
        set_by_name=actor_name(words, mode.set_by),
        set_at=mode.set_at,
        expires_at=mode.expires_at,
        exit_delay_s=mode.exit_delay.total_seconds(),
        entry_delay_s=mode.entry_delay.total_seconds(),
        ended_at=mode.ended_at,
        ended_by=mode.ended_by,
        ended_by_name=actor_name(words, mode.ended_by) if mode.ended_by else None,
        end_reason=mode.end_reason,
    )


def _path(mode: Mode, words: SiteWords) -> list[Text]:
    if mode.subject_kind is Subject.ZONE:
        return zone_path(words, mode.subject)
    if mode.subject_kind is Subject.DEVICE:
        named = device_name(words, mode.subject)
        return [*zone_path(words, zone_of(words, mode.subject, "")), *([named] if named else [])]
    if mode.subject_kind is Subject.EDGE:
        return [text_of(words.edges.get(mode.subject), mode.subject)]
    return [text_of(words.name, words.site)]
