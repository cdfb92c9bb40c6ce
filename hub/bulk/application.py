"""Doing what an import comes to, in turns so short that no alarm waits for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hub.bulk.draft import Step
from hub.bulk.table import Fault
from hub.clock import steady_s
from hub.domain.error import ActRefused, DataRefused, InvalidAct, NotFound
from hub.people.act import act_on_person
from hub.people.roster import act_on_responsibility, act_on_roster
from hub.store.database import Connection, savepoint, site_turn, transaction
from hub.store.turn import Turn

MOST_PER_TURN: Final = 100
TURN_S: Final = 0.1
"""Then the turn is given back, half of the 200 ms that one may last."""

Borrow = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class Applied:
    """How many steps were done; `fault` is what stopped it, and all before it stands. The same file sent again
    goes on from there: what is as the file says is not touched.
    """

    done: int
    turns: int
    fault: Fault | None = None


def apply_steps(
    borrow: Borrow,
    site: str,
    actor: str,
    station: str,
    steps: Sequence[Step],
    clock: Callable[[], datetime],
    client: str = "",
) -> Applied:
    """Do the steps in order. Raises StoreUnavailable; what its turn did not commit is not done."""
    done = turns = 0
    while done < len(steps):
        with borrow() as connection, transaction(connection):
            site_turn(connection, site)
            began_s, first = steady_s(), done
            turn = Turn(connection, site, clock(), actor, station, client)
            while done < len(steps) and done - first < MOST_PER_TURN and steady_s() - began_s < TURN_S:
                try:
                    with savepoint(connection):
                        _take(turn, steps[done])
                except (ActRefused, DataRefused, InvalidAct, NotFound) as refusal:
                    # What was good before it in this turn is committed with it.
                    return Applied(done, turns + 1, fault_at(steps[done], str(refusal)))
                done += 1
        turns += 1
    return Applied(done, turns)


def fault_at(step: Step, refusal: str) -> Fault:
    """What stopped a step, where it stands in the file."""
    return Fault(step.sheet, step.row, "", "", refusal)


def _take(turn: Turn, step: Step) -> dict[str, Any]:
    if step.kind == "person":
        return act_on_person(turn, step.target, "save", step.given, "")
    if step.kind == "shift":
        return act_on_roster(turn, step.target, "save_shift", step.given)
    return act_on_responsibility(turn, step.target, "save", step.given)
