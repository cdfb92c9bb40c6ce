"""A person's act over HTTP: once per Idempotency-Key, in the site's turn, on the version that was seen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hub.api.compose import alarm_view, command_view, hazard_view, incident_views
from hub.api.context import Context, Here
from hub.api.fault import Outdated
from hub.api.guard import Asker, AtSite, address_of, demand
from hub.api.views import AlarmView, CommandView, HazardView, IncidentView, View
from hub.clock import utc_now
from hub.dispatch.act import apply_act
from hub.domain.act import Act
from hub.domain.error import Moved, NotFound
from hub.store.account import SessionRow
from hub.store.database import Connection, borrow, savepoint, site_turn, transaction
from hub.store.idempotency import find_answer, keep_answer
from hub.store.view import SiteWords, alarms_by_number, hazards_by_number, incidents_by_number, load_command


def _storable(value: str) -> str:
    if "\0" in value:
        raise ValueError("U+0000 cannot be stored; leave it out")
    return value


Line = Annotated[str, Field(max_length=200), AfterValidator(_storable)]
Words = Annotated[str, Field(max_length=2000), AfterValidator(_storable)]
Number = Annotated[int, Field(ge=1, le=2**53)]


class Body(BaseModel):
    """What a person sends; a key that is not known is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AlarmAnswer(View):
    alarm: AlarmView


class HazardAnswer(View):
    hazard: HazardView


class IncidentAnswer(View):
    incident: IncidentView


class CommandAnswer(View):
    command: CommandView


Answer = Callable[[Connection, SiteWords, Mapping[str, Any]], View]
"""Makes the answer from what the act returned, in the act's own transaction."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an act is handed in: by whom, for which site, under which key."""

    here: Context
    asker: SessionRow
    words: SiteWords
    key: str | None
    request: str
    client: str

    def demand(self, permission: str) -> None:
        """Go on only where the asker may do that here; raises NotAllowed."""
        demand(self.asker, permission, self.words.site)

    def perform(
        self,
        kind: str,
        target: object,
        parameters: Mapping[str, Any],
        answer: Answer,
        *,
        reason: str = "",
    ) -> dict[str, Any]:
        """Do it, or answer as before where this key did it already.

        Raises what `apply_act` raises (Outdated in place of Moved), StoreUnavailable, DataRefused.
        """
        site = self.words.site
        act = Act(
            site=site,
            actor=self.asker.account,
            station=self.asker.station,
            kind=kind,
            target=str(target),
            reason=reason,
            parameters=parameters,
            client=self.client,
        )

        def do(connection: Connection, now: datetime) -> View:
            try:
                result = apply_act(connection, act, at=now, book=self.here.outfit.book)
            except Moved as error:
                present = read_alarm(connection, self.words, target)
                raise Outdated(str(error), present.model_dump(mode="json")) from None
            return answer(connection, self.words, result)

        return self.once(do)

    def once(self, do: Callable[[Connection, datetime], View]) -> dict[str, Any]:
        """Do something in the site's turn, or answer as before where this key did it already."""
        site, now = self.words.site, utc_now()
        with borrow(self.here.pool, [site]) as connection, transaction(connection):
            site_turn(connection, site)
            given = self._given(connection)
            if given is not None:
                return given
            with savepoint(connection):
                view = do(connection, now).model_dump(mode="json", by_alias=True)
            if self.key is not None:
                keep_answer(connection, self.asker.account, self.key, self.request, view, now)
        return view

    def before(self) -> dict[str, Any] | None:
        """What this key was answered already, asked outside of the turn; None: it is new."""
        with borrow(self.here.pool, [self.words.site]) as connection:
            return self._given(connection)

    def _given(self, connection: Connection) -> dict[str, Any] | None:
        if self.key is None:
            return None
        given = find_answer(connection, self.asker.account, self.key, self.request)
        return None if given is None else dict(given)


async def _desk(
    request: Request,
    here: Here,
    asker: Asker,
    words: AtSite,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Desk:
    digest = hashlib.sha256(await request.body()).hexdigest()
    asked = f"{request.method} {request.url.path} {digest}"
    return Desk(here, asker, words, idempotency_key, asked, address_of(request))


AtDesk = Annotated[Desk, Depends(_desk)]


def read_alarm(connection: Connection, words: SiteWords, number: object) -> AlarmAnswer:
    """One alarm; raises NotFound."""
    rows = alarms_by_number(connection, words.site, [int(str(number))])
    if not rows:
        raise NotFound("there is no such alarm")
    return AlarmAnswer(alarm=alarm_view(rows[0], words))


def read_hazard(connection: Connection, words: SiteWords, number: object) -> HazardAnswer:
    """One hazard; raises NotFound."""
    rows = hazards_by_number(connection, words.site, [int(str(number))])
    if not rows:
        raise NotFound("there is no such hazard")
    return HazardAnswer(hazard=hazard_view(rows[0], words, utc_now()))


def read_incident(connection: Connection, words: SiteWords, number: object) -> IncidentAnswer:
    """One incident; raises NotFound."""
    views = incident_views(incidents_by_number(connection, words.site, [int(str(number))]), words)
    if not views:
        raise NotFound("there is no such incident")
    return IncidentAnswer(incident=views[0])


def read_command(connection: Connection, words: SiteWords, command: object) -> CommandAnswer:
    """One command; raises NotFound."""
    row = load_command(connection, words.site, str(command))
    if row is None:
        raise NotFound("there is no such command")
    return CommandAnswer(command=command_view(row, words))
