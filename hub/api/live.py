"""The live stream of a site as server-sent events: snapshot, changes, beats, and what has no receipt.

The stream subscribes first and reads the picture then, so that nothing falls between the two; what the
picture already holds is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from hub.api.context import Context, Here
from hub.api.fault import FAULTS
from hub.api.guard import Asker, AtSite, demand, may, may_somewhere
from hub.api.picture import read_changes, read_snapshot, read_standing
from hub.api.stream import Subscriber, write_event
from hub.clock import utc_now
from hub.domain.error import HubError, InvalidAct, NotFound
from hub.domain.permission import FOLLOWING
from hub.store.database import borrow
from hub.store.journal import head_seq, present_id

REPLAY_LIMIT: Final = 500
"""A screen that missed more rows than this gets the whole picture instead."""
SEND_TIMEOUT_S: Final = 20.0
"""A screen that takes no byte for so long is gone."""
_LAST: Final = re.compile(r"^([a-z0-9][a-z0-9_.-]{0,62}):([0-9]{1,18}):[0-9a-f]{8}$")

router = APIRouter(prefix="/api/v1", tags=["live"])
_FOLLOWED: Final[dict[int | str, dict[str, str]]] = {307: {"description": "Follow that site"}}


@dataclass(frozen=True, slots=True)
class Opening:
    """What a stream begins with: events, and the last journal row that they cover."""

    events: list[bytes]
    seq: int


def read_opening(here: Context, site: str, last_event_id: str | None) -> Opening:
    """The rows after the last event that the screen saw, or the whole picture: where it missed too many, and
    where its last row is not in this journal, because an older backup was restored. Raises StoreUnavailable.
    """
    after = _read_last(site, last_event_id)
    now = utc_now()
    with borrow(here.pool, [site]) as connection:
        words = here.names.get(connection, site)
        known = after is not None and present_id(connection, site, after) == last_event_id
        if after is not None and known and head_seq(connection, site) - after <= REPLAY_LIMIT:
            standing = read_standing(connection, words, now)
            batch = read_changes(connection, words, standing, after=after, now=now, limit=REPLAY_LIMIT * 2)
            if batch is None:
                return Opening([], after)
            if not batch.redraw:
                return Opening(
                    [
                        write_event("change", each, identity)
                        for each, identity in zip(batch.changes, batch.ids, strict=True)
                    ],
                    batch.changes[-1].seq,
                )
        snapshot, identity = read_snapshot(connection, words, now)
    return Opening([write_event("snapshot", snapshot, identity)], snapshot.seq)


def _read_last(site: str, last_event_id: str | None) -> int | None:
    match = _LAST.match(last_event_id or "")
    return int(match.group(2)) if match and match.group(1) == site else None


async def _events(here: Context, subscriber: Subscriber, opening: Opening) -> AsyncIterator[bytes]:
    """The stream's bytes until it is closed."""
    site, sent = subscriber.site, opening.seq
    # An id of its own, so that a reconnect resumes even where nothing was to be told.
    yield b": sanfang\n\n"
    for event in opening.events:
        yield event
    now = utc_now()
    yield here.live.pulse.unreceipted_event(site, now)
    beat = here.live.pulse.beat(site, now)
    if beat is not None:
        yield write_event("beat", beat)
    while not subscriber.closed:
        lost, events = await subscriber.take()
        if lost:
            try:
                opening = await run_in_threadpool(read_opening, here, site, None)
            except HubError:
                return  # It comes back and begins anew.
            sent = opening.seq
            for event in opening.events:
                yield event
        for told in events:
            if told.is_news(sent):
                sent = max(sent, told.seq)
                yield told.event


class EventStream(Response):
    """Sends events until the screen goes, its session ends, or it takes no byte for too long."""

    media_type = "text/event-stream"

    def __init__(self, here: Context, subscriber: Subscriber, opening: Opening) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._here = here
        self._subscriber = subscriber
        self._opening = opening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(self._await_departure(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for event in _events(self._here, self._subscriber, self._opening):
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (TimeoutError, OSError):
            self._subscriber.close()
        finally:
            self._here.live.audience.unsubscribe(self._subscriber)
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone

    async def _await_departure(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._subscriber.close()


@router.get(
    "/sites/{site}/live",
    operation_id="openLive",
    dependencies=[may("live.follow")],
    response_class=EventStream,
    status_code=200,
    responses={
        **FAULTS,
        200: {
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
            "description": "Events `snapshot`, `change`, `beat`, `unreceipted`; ids are `site:seq:mark`",
        },
    },
)
async def get_live(
    here: Here,
    words: AtSite,
    asker: Asker,
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Follow a site. With Last-Event-ID the changes after it are replayed. The stream ends within 5 s of the
    session's end, and of the loss of the right to follow.
    """
    for permission in FOLLOWING:
        demand(asker, permission, words.site)
    subscriber = here.live.audience.subscribe(words.site, asker.session_hash)
    try:
        opening = await run_in_threadpool(read_opening, here, words.site, last_event_id)
    except BaseException:
        here.live.audience.unsubscribe(subscriber)
        raise
    return EventStream(here, subscriber, opening)


@router.get(
    "/live",
    operation_id="findLive",
    dependencies=[may_somewhere("live.follow")],
    status_code=307,
    responses={**FAULTS, **_FOLLOWED},
)
def find_live(asker: Asker, site: Annotated[str | None, Query(max_length=63)] = None) -> RedirectResponse:
    """Where to follow a site: the one that is named, or the only one."""
    sites = sorted(asker.access.sites_where(*FOLLOWING))
    if site is None and len(sites) != 1:
        raise InvalidAct(f"site: is missing; use one of {', '.join(sites) or '(none yet)'}")
    if site is not None and site not in sites:
        raise NotFound("there is no such site")
    return RedirectResponse(f"sites/{site or sites[0]}/live", status_code=307)
