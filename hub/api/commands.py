"""Commands over HTTP: what was ordered and what became of it; a person's own order."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from hub.api.act import AtDesk, Body, CommandAnswer, Line, Words, read_command
from hub.api.compose import command_view
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import AtSite, may
from hub.api.views import CommandView, View
from hub.store.database import borrow
from hub.store.view import newest_commands

router = APIRouter(prefix="/api/v1/sites/{site}/commands", tags=["commands"])


class CommandList(View):
    commands: list[CommandView]


class CommandBody(Body):
    device: Annotated[Line, Field(min_length=1)]
    address: Line = ""
    kind: Annotated[Line, Field(min_length=1)]
    parameters: Annotated[dict[Line, bool | int | float | Line], Field(max_length=20)] = Field(default={})
    reason: Words = ""


@router.get("", operation_id="listCommands", dependencies=[may("command.read")], responses=FAULTS)
def get_commands(here: Here, words: AtSite, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> CommandList:
    """The newest commands."""
    with borrow(here.pool, [words.site]) as connection:
        rows = newest_commands(connection, words.site, limit)
    return CommandList(commands=[command_view(row, words) for row in rows])


@router.post("", operation_id="requestCommand", dependencies=[may("command.request")], responses=ACT_FAULTS)
def post_command(body: CommandBody, desk: AtDesk) -> CommandAnswer:
    """Order something of a device. The answer may be a command that was refused, with the reason."""
    answer = desk.perform(
        "command.request",
        "",
        body.model_dump(exclude={"reason"}),
        lambda connection, words, result: read_command(connection, words, result["command"]),
        reason=body.reason,
    )
    return CommandAnswer.model_validate(answer)
