"""Which post of which plan will have nobody, over HTTP: asked before the emergency."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from hub.api.compose import post_name
from hub.api.context import Here
from hub.api.fault import FAULTS
from hub.api.guard import AtSite, may
from hub.api.views import Text, View
from hub.clock import utc_now
from hub.domain.coverage import LOOK_AHEAD, needs_of, uncovered
from hub.store.database import borrow
from hub.store.roster import load_duty

router = APIRouter(prefix="/api/v1/sites/{site}/roster/uncovered", tags=["roster"])


class NeedView(View):
    """`steps` of the plan; 0 is its commander. `escalation` has none."""

    plan: str
    title: Text | None
    steps: list[int]


class UncoveredView(View):
    post: str
    name: Text
    begins: datetime
    ends: datetime
    needs: list[NeedView]


class UncoveredList(View):
    begins: datetime
    ends: datetime
    uncovered: list[UncoveredView]


@router.get("", operation_id="listUncovered", dependencies=[may("roster.read")], responses=FAULTS)
def get_uncovered(
    here: Here,
    words: AtSite,
    hours: Annotated[int, Query(ge=1, le=744)] = LOOK_AHEAD // timedelta(hours=1),
) -> UncoveredList:
    """Which post of which plan has nobody within the next hours, the earliest first."""
    now = utc_now()
    until = now + timedelta(hours=hours)
    with borrow(here.pool, [words.site]) as connection:
        duty = load_duty(connection, words.site, at=now)
    found = uncovered(duty, needs_of(here.outfit.book.plans.values(), words.escalation.posts), now, until)
    titles = {plan.plan: Text(**plan.title) for plan in here.outfit.book.plans.values()}
    return UncoveredList(
        begins=now,
        ends=until,
        uncovered=[
            UncoveredView(
                post=each.post,
                name=post_name(words, each.post),
                begins=each.begins,
                ends=each.ends,
                needs=[
                    NeedView(plan=need.plan, title=titles.get(need.plan), steps=list(need.steps))
                    for need in each.needs
                ],
            )
            for each in found
        ],
    )
