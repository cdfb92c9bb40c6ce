"""Who wins over whom at a door: nobody is ever locked in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.contract.command import derive_command
from hub.domain.command import (
    OPPOSITE,
    Actuator,
    Command,
    CommandState,
    Precedence,
    Standing,
    decide_command,
)

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
DOOR = Actuator(
    device="east-door",
    family="access_control",
    zone="teaching-1f",
    edge="demo-edge",
    writes=frozenset({"door.release", "door.lock", "door.restore", "door.pulse"}),
)


def command(kind: str, precedence: Precedence = Precedence.MANUAL, **more: Any) -> Command:
    values: dict[str, Any] = {
        "site": "s",
        "command": f"{kind}-{precedence}",
        "device": "east-door",
        "address": "",
        "kind": kind,
        "parameters": {},
        "precedence": precedence,
        "state": CommandState.REQUESTED,
        "source": "person:7",
        "requested_at": AT,
        "expires_at": AT + timedelta(seconds=30),
        **more,
    }
    return Command(**values)


def refused(wanted: Command, door: Actuator | None = DOOR, standing: Standing | None = None) -> str:
    return decide_command(wanted, door, standing or Standing(), AT).refused


def test_a_free_door_obeys() -> None:
    decision = decide_command(command("door.release"), DOOR, Standing(), AT)
    assert decision.refused == "" and decision.supersedes == ()


def test_refusals_say_why() -> None:
    assert "no device" in refused(command("door.release"), None)
    assert "no device" in refused(command("door.release"), replace(DOOR, active=False))
    assert "only reads a fire alarm system" in refused(
        command("output.on"), replace(DOOR, family="fire_alarm", writes=frozenset({"output.on"}))
    )
    assert "configuration allows" in refused(command("siren.on"))
    assert "expired" in refused(command("door.release", expires_at=AT))


def test_an_escape_door_is_never_locked_without_free_exit() -> None:
    for precedence in Precedence:
        assert "escape door" in refused(command("door.lock", precedence), replace(DOOR, escape=True))
    assert refused(command("door.lock"), replace(DOOR, escape=True, free_exit=True)) == ""


@pytest.mark.parametrize("state", [CommandState.SENT, CommandState.CONFIRMED, CommandState.UNCONFIRMED])
@pytest.mark.parametrize("kind", ["door.lock", "door.pulse"])
def test_fire_linkage_stands_above_lockdown_and_people(kind: str, state: CommandState) -> None:
    held = command("door.release", Precedence.FIRE_LINKAGE, state=state)
    for precedence in (Precedence.LOCKDOWN, Precedence.RESPONDER, Precedence.MANUAL, Precedence.SCHEDULE):
        assert "fire linkage" in refused(command(kind, precedence), DOOR, Standing((held,)))
    assert refused(command("door.release"), DOOR, Standing((held,))) == "", "opening what is open harms nobody"


def test_a_failed_release_holds_nothing() -> None:
    gone = command("door.release", Precedence.FIRE_LINKAGE, state=CommandState.FAILED)
    assert refused(command("door.lock"), DOOR, Standing((gone,))) == ""


def test_restore_is_a_persons_word_after_the_panels_reset() -> None:
    held = command("door.release", Precedence.FIRE_LINKAGE, state=CommandState.CONFIRMED)
    restore = command("door.restore")
    assert "person" in refused(replace(restore, source="rule:x"), DOOR, Standing((held,)))
    assert "panel's reset" in refused(restore, DOOR, Standing((held,), fire_active=True))
    assert refused(restore, DOOR, Standing((held,))) == ""


def test_after_a_restore_the_release_no_longer_stands() -> None:
    held = command("door.release", Precedence.FIRE_LINKAGE, state=CommandState.CONFIRMED)
    restored = command("door.restore", state=CommandState.CONFIRMED)
    assert refused(command("door.lock"), DOOR, Standing((restored, held))) == ""
    waiting = command("door.restore", state=CommandState.SENT)
    assert refused(command("door.lock"), DOOR, Standing((waiting, held))) != "", "not before it took effect"


def test_the_winner_supersedes_what_waits() -> None:
    waiting = command("door.lock", Precedence.LOCKDOWN)
    release = command("door.release", Precedence.FIRE_LINKAGE)
    decision = decide_command(release, DOOR, Standing((waiting,)), AT)
    assert decision.refused == "" and decision.supersedes == (waiting.command,)


def test_commands_that_undo_each_other_do_so_both_ways() -> None:
    for kind, others in OPPOSITE.items():
        for other in others:
            assert kind in OPPOSITE[other], f"{kind} and {other}"


def test_ids_are_derived_from_the_evidence() -> None:
    one = derive_command("rule:a", 1, "e/1/1/5/0", "door", "", "door.release")
    assert one == derive_command("rule:a", 1, "e/1/1/5/0", "door", "", "door.release")
    assert len(one) == 32
    others = {
        derive_command("rule:a", 2, "e/1/1/5/0", "door", "", "door.release"),
        derive_command("rule:a", 1, "e/1/1/6/0", "door", "", "door.release"),
        derive_command("rule:a", 1, "e/1/1/5/0", "door", "1", "door.release"),
        derive_command("rule:a", 1, "e/1/1/5/0", "door", "", "door.pulse"),
    }
    assert len(others | {one}) == 5
