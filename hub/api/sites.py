"""A site as a whole: the picture, the journal, what is quarantined, and screens that say they are there."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from hub.api.act import Body, Line, Number
from hub.api.compose import journal_view, text_of
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import Asker, AtSite, may, signed_in
from hub.api.picture import read_snapshot
from hub.api.views import JournalView, Moment, SiteName, Snapshot, View
from hub.clock import utc_now
from hub.store.database import borrow, site_turn, transaction
from hub.store.journal import read_journal
from hub.store.liveness import load_liveness, save_liveness
from hub.store.quarantine import list_quarantine, request_retry
from hub.store.view import site_names

router = APIRouter(prefix="/api/v1/sites", tags=["sites"])


class SiteList(View):
    sites: list[SiteName]


class JournalPage(View):
    """`next` is what to ask `after` next time."""

    rows: list[JournalView]
    next: int


class QuarantineView(View):
    """`payload` is the hex of the first 256 bytes."""

    quarantine: int
    recorded_at: Moment
    edge: str
    epoch: int | None
    lane: int | None
    sequence: int | None
    ordinal: int | None
    code: str
    reason: str
    late: bool | None
    payload: str
    size_bytes: int
    state: Literal["held", "retried"]
    retried_at: Moment | None


class QuarantineList(View):
    quarantine: list[QuarantineView]


class RetryAnswer(View):
    """The site's worker tries the item; `seq` is the journal row that asks it to."""

    quarantine: int
    seq: int


class ScreenBody(Body):
    station: Annotated[Line, Field(min_length=1)]
    sound: Literal["armed", "muted", "blocked"]


@router.get("", operation_id="listSites", dependencies=[signed_in], responses=FAULTS)
def get_sites(here: Here, asker: Asker) -> SiteList:
    """The sites that one may see."""
    with borrow(here.pool, sorted(asker.access.sites)) as connection:
        rows = site_names(connection, asker.access.sites)
    return SiteList(sites=[SiteName(site=row["site"], name=text_of(row["name"], row["site"])) for row in rows])


@router.get("/{site}/overview", operation_id="getOverview", dependencies=[may("site.read")], responses=FAULTS)
def get_overview(here: Here, words: AtSite) -> Snapshot:
    """The whole picture with its cursor, as a live stream begins with it."""
    with borrow(here.pool, [words.site]) as connection:
        return read_snapshot(connection, words, utc_now())[0]


@router.get("/{site}/journal", operation_id="readJournal", dependencies=[may("journal.read")], responses=FAULTS)
def get_journal(
    here: Here,
    words: AtSite,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> JournalPage:
    """Every fact, in order."""
    with borrow(here.pool, [words.site]) as connection:
        rows = read_journal(connection, words.site, after=after, limit=limit)
    return JournalPage(rows=[journal_view(row, words) for row in rows], next=rows[-1]["seq"] if rows else after)


@router.get(
    "/{site}/quarantine", operation_id="listQuarantine", dependencies=[may("quarantine.read")], responses=FAULTS
)
def get_quarantine(
    here: Here, words: AtSite, limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> QuarantineList:
    """Items that could not be taken, the newest first."""
    with borrow(here.pool, [words.site]) as connection:
        rows = list_quarantine(connection, words.site, limit=limit)
    return QuarantineList(
        quarantine=[QuarantineView(**{**row, "payload": bytes(row["payload"]).hex()}) for row in rows]
    )


@router.post(
    "/{site}/quarantine/{quarantine}/retry",
    operation_id="retryQuarantine",
    dependencies=[may("quarantine.retry")],
    responses=ACT_FAULTS,
)
def post_retry(here: Here, words: AtSite, asker: Asker, quarantine: Annotated[Number, Path()]) -> RetryAnswer:
    """Ask the site's worker to try an item again."""
    with borrow(here.pool, [words.site]) as connection, transaction(connection):
        site_turn(connection, words.site)
        seq = request_retry(connection, words.site, quarantine, actor=asker.account, at=utc_now())
    return RetryAnswer(quarantine=quarantine, seq=seq)


@router.post(
    "/{site}/screen",
    operation_id="reportScreen",
    dependencies=[may("screen.report")],
    status_code=204,
    responses=ACT_FAULTS,
)
def post_screen(body: ScreenBody, here: Here, words: AtSite, asker: Asker) -> None:
    """An operator's screen says that it is there, and whether it can be heard."""
    now = utc_now()
    process = f"screen:{body.station}"
    with borrow(here.pool, [words.site]) as connection:
        known = load_liveness(connection, process, words.site)
        save_liveness(
            connection,
            process,
            [words.site],
            started_at=known["started_at"] if known else now,
            at=now,
            detail={"sound": body.sound, "account": asker.account},
        )
