"""How far each reader of the journal is, over HTTP: what the outside has been told, and what it refused."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from fastapi import APIRouter

from hub.api.context import Here
from hub.api.fault import FAULTS
from hub.api.guard import AtSite, may
from hub.api.views import Moment, View
from hub.clock import utc_now
from hub.store.database import Row, borrow
from hub.store.reader import dead_letters, reader_rows

router = APIRouter(prefix="/api/v1/sites/{site}", tags=["readers"])
_LETTERS: Final = 100


class ReaderView(View):
    """`seq`: the last row it is done with; `lag`: rows it is behind the journal's head.

    `state`: `current`; `behind`, and nothing failed; `failing`: it tries again at `next_at`; `parked`: it
    failed for a day, and only a probe is sent now and then. `oldest_s`: age of the first row that waits.
    """

    reader: str
    state: Literal["current", "behind", "failing", "parked"]
    seq: int
    head: int
    lag: int
    oldest_s: float | None
    attempts: int
    failing_since: Moment | None
    next_at: Moment | None
    parked_at: Moment | None
    error: str
    delivered: int
    delivered_at: Moment | None
    dead_letters: int


class DeadLetterView(View):
    """A journal row that a reader's channel refused; it was passed over."""

    reader: str
    seq: int
    at: Moment
    attempts: int
    error: str
    subject: str | None
    kind: str | None


class ReaderList(View):
    readers: list[ReaderView]
    dead_letters: list[DeadLetterView]


@router.get("/readers", operation_id="listReaders", dependencies=[may("reader.read")], responses=FAULTS)
def get_readers(here: Here, words: AtSite) -> ReaderList:
    """The journal's readers (the rules' own and every webhook), and the newest rows that were refused."""
    now = utc_now()
    with borrow(here.pool, [words.site]) as connection:
        rows = reader_rows(connection, words.site)
        letters = dead_letters(connection, words.site, limit=_LETTERS)
    return ReaderList(
        readers=[_reader_view(row, now) for row in rows],
        dead_letters=[DeadLetterView(**row) for row in letters],
    )


def _reader_view(row: Row, now: datetime) -> ReaderView:
    lag = max(0, row["head"] - row["seq"])
    state: Literal["current", "behind", "failing", "parked"] = "behind" if lag else "current"
    if row["parked_at"] is not None:
        state = "parked"
    elif row["failing_since"] is not None:
        state = "failing"
    return ReaderView(
        reader=row["reader"],
        state=state,
        seq=row["seq"],
        head=row["head"],
        lag=lag,
        oldest_s=round((now - row["oldest_at"]).total_seconds(), 3) if row["oldest_at"] and lag else None,
        attempts=row["attempts"] or 0,
        failing_since=row["failing_since"],
        next_at=row["next_at"],
        parked_at=row["parked_at"],
        error=row["error"],
        delivered=row["delivered"],
        delivered_at=row["delivered_at"],
        dead_letters=row["dead"],
    )
