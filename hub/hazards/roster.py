"""Is a weakness of the roster still there? Asked before its ticket is closed."""

from __future__ import annotations

from hub.domain.coverage import LOOK_AHEAD, gaps
from hub.domain.hazard import Hazard
from hub.domain.staffing import shortages
from hub.domain.watch import EMPTY, UNCOVERED, post_subject
from hub.store.person import load_qualified
from hub.store.roster import load_duty, load_figures
from hub.store.turn import Turn


def roster_fault(turn: Turn, hazard: Hazard) -> str:
    """Why it still is; empty where it is not."""
    duty = load_duty(turn.connection, turn.site, at=turn.at)
    until = turn.at + LOOK_AHEAD
    if hazard.condition == EMPTY:
        return "" if duty.shifts else "the roster has no shift"
    if hazard.condition == UNCOVERED:
        post = hazard.subject.removeprefix(post_subject(""))
        return f"the post {post} still has nobody within 24 hours" if gaps(duty, post, turn.at, until) else ""
    figures = load_figures(turn.connection, turn.site)
    if figures is None:
        return ""
    qualified = load_qualified(turn.connection, turn.site)
    short = shortages(duty, figures, qualified, turn.at, until)
    return "the fire control room is still short of certified operators" if short else ""
