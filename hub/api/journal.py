"""The journal for people: backwards from the newest row, by kind, subject, actor and time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator

from hub.api.act import Line
from hub.api.compose import journal_view
from hub.api.context import Here
from hub.api.fault import FAULTS
from hub.api.guard import AtSite, may
from hub.api.views import JournalView, View
from hub.store.database import borrow, reading
from hub.store.search import Wanted, search_journal, seq_after

router = APIRouter(prefix="/api/v1/sites/{site}/journal", tags=["journal"])

Time = Annotated[
    datetime | None,
    AfterValidator(lambda time: time if time is None or time.tzinfo else time.replace(tzinfo=UTC)),
]


class JournalSearch(View):
    """`below` is what to ask next for older rows; null: there are none. A short page with a number in `below`
    means that a stretch was looked through, not that nothing older fits.
    """

    rows: list[JournalView]
    below: int | None


@router.get("/search", operation_id="searchJournal", dependencies=[may("journal.read")], responses=FAULTS)
def search(
    here: Here,
    words: AtSite,
    kind: Annotated[Line, Query(description="A kind, or its beginning up to a full stop: `alarm.`")] = "",
    subject: Annotated[Line, Query(description="A subject, or its beginning up to a colon: `alarm:`")] = "",
    actor: Annotated[Line, Query(description="Who acted, as the rows call him")] = "",
    people: Annotated[bool, Query(description="Only what people did")] = False,
    since: Annotated[Time, Query(alias="from", description="ISO 8601; without a zone UTC")] = None,
    to: Annotated[Time, Query(description="ISO 8601, not included; without a zone UTC")] = None,
    below: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> JournalSearch:
    """Facts, the newest first."""
    wanted = Wanted(kind, subject, actor, people, since, to)
    with borrow(here.pool, [words.site]) as connection, reading(connection):
        end = seq_after(connection, words.site, since) if since else 1
        if to is not None:
            top = seq_after(connection, words.site, to)
            below = top if below is None else min(below, top)
        rows, further = search_journal(connection, words.site, wanted, below=below, limit=limit)
    return JournalSearch(
        rows=[journal_view(row, words) for row in rows], below=further if further > end else None
    )
