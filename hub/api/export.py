"""Files of readings, alarms and events over HTTP, streamed out of a short-lived process (`exporter.py`).

Two at a time for the whole API process, ten minutes at most, and an end when the client goes. The file is
sent in chunks without a length; where it cannot be completed the connection breaks before the last chunk,
so that no half file looks like a whole one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from adapters.contract.vocabulary import POINTS
from hub.api.context import Context, Here
from hub.api.exporter import Order
from hub.api.fault import FAULTS
from hub.api.guard import AtSite, may
from hub.api.selection import AHEAD, Asked, Filter, From, To, Zone, find_asked, read_time, read_zone, zone_name
from hub.api.views import Fault
from hub.clock import utc_now
from hub.domain.error import InvalidAct
from hub.store.database import borrow
from hub.store.view import SiteWords

router = APIRouter(prefix="/api/v1/sites/{site}/export", tags=["exports"])
MOST_SERIES: Final = 200
_FILES: Final[dict[int | str, dict[str, Any]]] = {
    **FAULTS,
    200: {
        "content": {"text/csv": {}, "application/vnd.apache.parquet": {}, "application/jsonl": {}},
        "description": "The file. A connection that breaks before the last chunk means that it is not whole",
    },
    429: {"model": Fault, "description": "Other exports are running; Retry-After says when to come again"},
}
Bom = Annotated[bool, Query(description="Begin with a byte order mark, by which Excel knows UTF-8")]
Width = Literal["raw", "1m", "5m", "15m", "30m", "1h", "6h", "1d"]


@router.get(
    "/readings.{form}",
    operation_id="exportReadings",
    dependencies=[may("record.export")],
    response_class=Response,
    responses=_FILES,
)
async def get_readings(
    here: Here,
    words: AtSite,
    asked: Asked,
    form: Annotated[Literal["csv", "parquet"], Path()],
    since: From = None,
    to: To = None,
    bucket: Annotated[
        Width, Query(description="`raw`: every reading; else a width, gaps as empty rows")
    ] = "raw",
    time_zone: Zone = "site",
    bom: Bom = False,
) -> Response:
    """Readings of one or many points as a file: every one, or in buckets. `unit` says what values are in.

    In CSV a text that a spreadsheet would take for a formula has an apostrophe in front.
    """
    now = utc_now()
    begin, end = read_time(since, to, now, ahead=AHEAD)
    read_zone(time_zone, words)
    if bucket != "raw":
        end = min(end, now)
        if not begin < end:
            raise InvalidAct("from: lies in the future; there is nothing yet")
    series = await run_in_threadpool(_find_series, here, words, asked)
    order = Order(
        database=here.settings.database,
        site=words.site,
        what="readings",
        form=form,
        begin=begin,
        end=end,
        until=now,
        bom=bom,
        series=series,
        bucket=bucket,
        time_zone=zone_name(time_zone, words),
    )
    return await here.exports.begin(order)


@router.get(
    "/alarms.csv",
    operation_id="exportAlarms",
    dependencies=[may("record.export")],
    response_class=Response,
    responses=_FILES,
)
async def get_alarms(
    here: Here, words: AtSite, since: From = None, to: To = None, bom: Bom = False
) -> Response:
    """Alarms raised in [from, to), with how long each waited for its acknowledgement."""
    return await _begin_records(here, words, "alarms", since, to, bom)


@router.get(
    "/events.csv",
    operation_id="exportEvents",
    dependencies=[may("record.export")],
    response_class=Response,
    responses=_FILES,
)
async def get_events(
    here: Here, words: AtSite, since: From = None, to: To = None, bom: Bom = False
) -> Response:
    """Events recorded in [from, to), as they are stored."""
    return await _begin_records(here, words, "events", since, to, bom)


@router.get(
    "/journal.jsonl",
    operation_id="exportJournal",
    dependencies=[may("journal.verify")],
    response_class=Response,
    responses=_FILES,
)
async def get_journal(here: Here, words: AtSite) -> Response:
    """The whole journal, sealed with the hub's key. `sanfang journal verify FILE` checks it without the hub:
    that nothing was changed, left out or added. It holds ids of persons and accounts, no names.
    """
    now = utc_now()
    order = Order(
        database=here.settings.database,
        site=words.site,
        what="journal",
        form="jsonl",
        begin=now,
        end=now,
        until=now,
        keys=str(here.settings.data_dir),
    )
    return await here.exports.begin(order)


async def _begin_records(
    here: Context,
    words: SiteWords,
    what: Literal["alarms", "events"],
    since: datetime | None,
    to: datetime | None,
    bom: bool,
) -> Response:
    now = utc_now()
    begin, end = read_time(since, to, now, ahead=AHEAD)
    order = Order(
        database=here.settings.database,
        site=words.site,
        what=what,
        form="csv",
        begin=begin,
        end=end,
        until=now,
        bom=bom,
    )
    return await here.exports.begin(order)


def _find_series(here: Context, words: SiteWords, asked: Filter) -> list[tuple[int, str, str, str, str]]:
    with borrow(here.pool, [words.site]) as connection:
        found = find_asked(connection, words, asked, MOST_SERIES)
    return [(*each, POINTS.get(each[3], ("", ""))[1]) for each in found]
