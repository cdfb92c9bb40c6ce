"""What of the roster somebody has to mend before it is needed: posts that will be empty, a control room short
of certified people. Pure; a chore makes hazards of it, once each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from hub.domain.coverage import LOOK_AHEAD, Need, uncovered
from hub.domain.judgement import Text
from hub.domain.roster import Duty
from hub.domain.staffing import Qualified, SchoolFigures, shortages

UNCOVERED: Final = "roster.uncovered"
UNDERSTAFFED: Final = "roster.understaffed"
EMPTY: Final = "roster.empty"
CONDITIONS: Final = frozenset({UNCOVERED, UNDERSTAFFED, EMPTY})
ROSTER: Final = "roster"
"""The subject where it is the whole roster."""
_AT_LEAST: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend, the same as long as (subject, condition) is: `due_in` until it begins to matter."""

    subject: str
    condition: str
    title: Text
    due_in: timedelta
    values: Mapping[str, Any]


def look_ahead(
    duty: Duty,
    needs: Mapping[str, tuple[Need, ...]],
    names: Mapping[str, Text],
    figures: SchoolFigures | None,
    qualified: Iterable[Qualified],
    now: datetime,
) -> list[Finding]:
    """What is wrong now or within the next 24 hours. A site with no shift at all has one finding, not one for
    each post. `names`: what posts are called.
    """
    if not duty.shifts:
        title = {
            "zh": "排班表为空：预案找不到任何值守人员",
            "en": "The roster is empty: plans find nobody on duty",
        }
        return [Finding(ROSTER, EMPTY, title, LOOK_AHEAD, {})]
    until = now + LOOK_AHEAD
    found: dict[tuple[str, str], Finding] = {}
    # A day further, so that a hole which goes on is told with its end.
    for hole in uncovered(duty, needs, now, until + LOOK_AHEAD):
        if hole.begins >= until:
            continue
        name = names.get(hole.post, {"zh": hole.post, "en": hole.post})
        span = _span(duty, hole.begins, hole.ends)
        found.setdefault(
            (post_subject(hole.post), UNCOVERED),
            Finding(
                post_subject(hole.post),
                UNCOVERED,
                {
                    "zh": f"岗位“{name['zh']}”{span} 无人值守",
                    "en": f"Nobody at the post {name['en']}: {span}",
                },
                max(_AT_LEAST, hole.begins - now),
                {"begins": hole.begins, "ends": hole.ends, "plans": [need.plan for need in hole.needs]},
            ),
        )
    if figures is not None:
        for short in shortages(duty, figures, qualified, now, until + LOOK_AHEAD)[:1]:
            if short.begins >= until:
                continue
            span = _span(duty, short.begins, short.ends)
            found[ROSTER, UNDERSTAFFED] = Finding(
                ROSTER,
                UNDERSTAFFED,
                {
                    "zh": f"消防控制室{span} 持证值班人员不足：{len(short.certified)}/{short.wanted}",
                    "en": f"Fire control room short of certified operators {span}:"
                    f" {len(short.certified)} of {short.wanted}",
                },
                max(_AT_LEAST, short.begins - now),
                {"begins": short.begins, "ends": short.ends, "certified": len(short.certified)},
            )
    return list(found.values())


def post_subject(post: str) -> str:
    """The subject of a hazard about a post."""
    return f"post:{post}"


def _span(duty: Duty, begins: datetime, ends: datetime) -> str:
    first, last = begins.astimezone(duty.time_zone), ends.astimezone(duty.time_zone)
    return f"{first:%m-%d %H:%M}–{last:%m-%d %H:%M}"
