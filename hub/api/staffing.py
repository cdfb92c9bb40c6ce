"""Whether there are enough people: the guards' head-count, and the fire control room now and in the next
week.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import Field

from hub.api.act import AtDesk, Body, Line
from hub.api.compose import person_name
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import AtSite, may
from hub.api.views import View
from hub.clock import utc_now
from hub.domain.staffing import count_heads, shortages
from hub.store.database import borrow, reading
from hub.store.person import load_qualified, posts_of
from hub.store.roster import load_duty, load_figures
from hub.store.view import SiteWords

router = APIRouter(prefix="/api/v1/sites/{site}/staffing", tags=["roster"])
WEEK: Final = timedelta(days=7)


class PersonRef(View):
    person: str
    name: str | None


class HeadCountView(View):
    """`to_be_verified`: figures of the rule that nobody has checked against the standard's text yet."""

    required: int
    figures: dict[str, int]
    to_be_verified: list[str]
    guards: list[PersonRef]
    licensed: list[PersonRef]
    missing: int


class ShortageView(View):
    """From `begins` until `ends`: `certified` of the `persons` on duty, where `wanted` are required."""

    begins: datetime
    ends: datetime
    wanted: int
    certified: list[PersonRef]
    persons: list[PersonRef]


class StaffingView(View):
    """`head_count` null: the school's figures were not entered."""

    at: datetime
    pupils: int | None
    boarding: bool | None
    guard_posts: list[str]
    control_posts: list[str]
    rule: dict[str, int]
    head_count: HeadCountView | None
    understaffed_now: bool
    shortages: list[ShortageView]


class SiteAnswer(View):
    site: str


class StaffingBody(Body):
    """`rule`: figures that differ from the shipped ones."""

    pupils: Annotated[int, Field(ge=0, le=100_000)]
    boarding: bool
    guard_posts: Annotated[list[Line], Field(max_length=50)]
    control_posts: Annotated[list[Line], Field(max_length=50)]
    rule: Annotated[Mapping[str, int], Field(max_length=20, default_factory=dict)]


@router.get("", operation_id="getStaffing", dependencies=[may("roster.read")], responses=FAULTS)
def get_staffing(here: Here, words: AtSite) -> StaffingView:
    """Guards required against there, and when the fire control room is under-staffed within the next seven
    days.
    """
    now = utc_now()
    with borrow(here.pool, [words.site]) as connection, reading(connection):
        figures = load_figures(connection, words.site)
        duty = load_duty(connection, words.site, at=now)
        qualified = load_qualified(connection, words.site)
        held = posts_of(connection, words.site)
    if figures is None:
        return StaffingView(
            at=now,
            pupils=None,
            boarding=None,
            guard_posts=[],
            control_posts=[],
            rule={},
            head_count=None,
            understaffed_now=False,
            shortages=[],
        )
    holders: dict[str, list[str]] = {}
    for person, posts in held.items():
        for post in posts:
            holders.setdefault(post, []).append(person)
    heads = count_heads(figures, holders, qualified, duty.calendar.date_at(now))
    found = shortages(duty, figures, qualified, now, now + WEEK)
    return StaffingView(
        at=now,
        pupils=figures.pupils,
        boarding=figures.boarding,
        guard_posts=list(figures.guard_posts),
        control_posts=list(figures.control_posts),
        rule={name: getattr(figures.rule, name) for name in sorted(figures.set_by_school)},
        head_count=HeadCountView(
            required=heads.requirement.guards,
            figures={name: getattr(figures.rule, name) for name in heads.requirement.figures},
            to_be_verified=list(heads.requirement.to_be_verified),
            guards=_refs(heads.guards, words),
            licensed=_refs(heads.licensed, words),
            missing=heads.missing,
        ),
        understaffed_now=any(each.begins == now for each in found),
        shortages=[
            ShortageView(
                begins=each.begins,
                ends=each.ends,
                wanted=each.wanted,
                certified=_refs(each.certified, words),
                persons=_refs(each.persons, words),
            )
            for each in found
        ],
    )


@router.post("", operation_id="setStaffing", dependencies=[may("roster.edit")], responses=ACT_FAULTS)
def post_staffing(body: StaffingBody, desk: AtDesk) -> SiteAnswer:
    """The school's figures for the head-count check."""
    answer = desk.perform(
        "roster.set_staffing", "", body.model_dump(), lambda _connection, _words, result: SiteAnswer(**result)
    )
    return SiteAnswer.model_validate(answer)


def _refs(persons: tuple[str, ...], words: SiteWords) -> list[PersonRef]:
    return [PersonRef(person=person, name=person_name(words, person)) for person in persons]
