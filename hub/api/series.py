"""Readings over HTTP: in buckets with their gaps, and one by one."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from adapters.contract.vocabulary import POINTS, Quality
from hub.api.compose import finite, text_of
from hub.api.context import Here
from hub.api.fault import FAULTS
from hub.api.gap import explain_gaps
from hub.api.guard import AtSite, may
from hub.api.selection import AHEAD, Asked, From, To, Zone, find_asked, read_time, read_zone, zone_name
from hub.api.views import Moment, ReadingView, Text, View
from hub.clock import utc_now
from hub.domain.bucket import (
    WIDTHS_S,
    Bucketing,
    choose_width,
    kept_since,
    lay_buckets,
)
from hub.domain.error import InvalidAct
from hub.domain.moment import microseconds, moment_of
from hub.store.database import Row, borrow
from hub.store.series import (
    Series,
    add_up,
    next_place,
    read_page,
)
from hub.store.view import SiteWords

router = APIRouter(prefix="/api/v1/sites/{site}", tags=["readings"])
MOST_SERIES: Final = 50
MOST_POINTS: Final = 20_000
"""Buckets of all series together in one answer."""
_CURSOR: Final = re.compile(r"^([0-9]{1,5})\.([0-9]{1,16})\.([0-9]{1,9})\.([0-9]{1,16})$")
Width = Literal["auto", "1m", "5m", "15m", "30m", "1h", "6h", "1d"]
Gap = Literal["dropped", "hub_away", "edge_offline", "device_offline", "expired", "no_data"]


@dataclass(frozen=True, slots=True)
class BucketView:
    """What was read in [at, the next bucket's at).

    `good / count` is the share of good quality. min, max, mean and last are over usable values (good or
    uncertain) and null where there is none; nothing is interpolated. `gap` says why there is no reading.
    A dataclass: an answer holds twenty thousand of them.
    """

    at: Moment
    count: int
    good: int
    min: float | None
    max: float | None
    mean: float | None
    last: float | None
    last_at: Moment | None
    gap: Gap | None


class PointHead(View):
    """A point of a device; all its values are in `unit`."""

    device: str
    device_name: Text | None
    address: str
    point: str
    point_name: Text
    unit: str


class SeriesView(PointHead):
    buckets: list[BucketView]


class SeriesAnswer(View):
    """`from` and `to` are those of the whole buckets; `6h` and `1d` lie on `time_zone`'s midnight."""

    from_: Moment = Field(serialization_alias="from")
    to: Moment
    bucket: Literal["1m", "5m", "15m", "30m", "1h", "6h", "1d"]
    bucket_s: int
    time_zone: str
    series: list[SeriesView]


class RawSeries(PointHead):
    readings: list[ReadingView]


class RawAnswer(View):
    """`next` is what to ask `cursor` next time; null: that was all. A series may go on on the next page."""

    series: list[RawSeries]
    next: str | None


@router.get("/series", operation_id="readSeries", dependencies=[may("reading.read")], responses=FAULTS)
def get_series(
    here: Here,
    words: AtSite,
    asked: Asked,
    since: From = None,
    to: To = None,
    bucket: Annotated[
        Width, Query(description="Width of a bucket; `auto`: the finest with at most `points` of them")
    ] = "auto",
    points: Annotated[int, Query(ge=1, le=5_000, description="Buckets of each series, for `auto`")] = 500,
    time_zone: Zone = "site",
) -> SeriesAnswer:
    """Readings of one or many points in buckets, out of the roll-ups, the newest minute included.

    Every bucket of the time stands in the answer; one without readings has nulls and says why.
    """
    now = utc_now()
    begin, end = read_time(since, to, now)
    zone = read_zone(time_zone, words)
    oldest = kept_since(here.settings.retention.kept, now)
    with borrow(here.pool, [words.site]) as connection:
        series = find_asked(connection, words, asked, MOST_SERIES)
        name = (
            bucket
            if bucket != "auto"
            else choose_width(begin, end, min(points, MOST_POINTS // len(series)), oldest)
        )
        buckets = lay_buckets(name, begin, end, zone)
        if len(series) * len(buckets) > MOST_POINTS:
            raise InvalidAct(
                f"bucket: {len(series)} series of {len(buckets)} buckets are more than {MOST_POINTS};"
                " choose a wider one, auto, less time, or fewer series"
            )
        rows = add_up(connection, words.site, [each[0] for each in series], buckets)
        slots: dict[int, dict[int, Row]] = {each[0]: {} for each in series}
        for row in rows:
            slots[row["series"]][row["slot"]] = row
        begun = sum(edge < now for edge in buckets.edges[:-1])
        gaps = explain_gaps(connection, words, series, slots, buckets, begun, oldest.get(buckets.level_s))
    return SeriesAnswer(
        from_=buckets.edges[0],
        to=buckets.edges[-1],
        bucket=name,  # type: ignore[arg-type]
        bucket_s=WIDTHS_S[name],
        time_zone=zone_name(time_zone, words),
        series=[
            SeriesView(
                **point_head(each, words),
                buckets=[
                    _bucket_view(buckets, slot, slots[each[0]].get(slot), gaps.get((each[0], slot)))
                    for slot in range(begun)
                ],
            )
            for each in series
        ],
    )


@router.get("/readings", operation_id="listReadings", dependencies=[may("reading.read")], responses=FAULTS)
def get_readings(
    here: Here,
    words: AtSite,
    asked: Asked,
    since: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Readings on one page")] = 1_000,
    cursor: Annotated[str | None, Query(max_length=100, description="`next` of the page before")] = None,
) -> RawAnswer:
    """Readings one by one, as they are stored: one series after another, each in order of observed time.

    Pages do not move: what is recorded after the first page was asked is not on the later ones.
    """
    now = utc_now()
    begin, end = read_time(since, to, now, ahead=AHEAD)
    at, place, skip, until = _read_cursor(cursor, begin, now)
    if not begin <= place < end:
        raise InvalidAct("cursor: does not belong to this time; ask with the same `from` and `to`")
    found: list[RawSeries] = []
    with borrow(here.pool, [words.site]) as connection:
        series = find_asked(connection, words, asked, MOST_SERIES)
        room = limit
        while at < len(series) and room:
            page = read_page(
                connection,
                words.site,
                series[at][0],
                begin=place,
                end=end,
                recorded_until=until,
                limit=room,
                skip=skip,
            )
            if len(page):
                found.append(
                    RawSeries(
                        **point_head(series[at], words),
                        readings=[
                            ReadingView(
                                observed_at=moment_of(observed),
                                recorded_at=moment_of(recorded),
                                value=finite(value),
                                quality=Quality(quality).name.lower(),  # type: ignore[arg-type]
                            )
                            for observed, recorded, value, quality in zip(
                                page.observed_at.tolist(),
                                page.recorded_at.tolist(),
                                page.value.tolist(),
                                page.quality.tolist(),
                                strict=True,
                            )
                        ],
                    )
                )
            if len(page) == room:
                place, skip = next_place(page, place, skip)
                break
            room -= len(page)
            at, place, skip = at + 1, begin, 0
    more = at < len(series)
    return RawAnswer(series=found, next=_write_cursor(at, place, skip, until) if more else None)


def point_head(series: Series, words: SiteWords) -> dict[str, Any]:
    """What a point is called, and its unit."""
    _, device, address, point = series
    zh, unit = POINTS.get(point, (point, ""))
    row = words.devices.get(device)
    return {
        "device": device,
        "device_name": text_of(row["name"], device) if row else None,
        "address": address,
        "point": point,
        "point_name": text_of({"zh": zh, "en": point}),
        "unit": unit,
    }


def _bucket_view(buckets: Bucketing, slot: int, row: Row | None, gap: str | None) -> BucketView:
    at = buckets.edges[slot]
    if row is None:
        return BucketView(at, 0, 0, None, None, None, None, None, gap)  # type: ignore[arg-type]
    return BucketView(
        at,
        row["count"],
        row["good"],
        finite(row["min"]),
        finite(row["max"]),
        finite(row["mean"]),
        finite(row["last"]),
        row["last_at"],
        None,
    )


def _write_cursor(at: int, place: datetime, skip: int, until: datetime) -> str:
    words = f"{at}.{microseconds(place)}.{skip}.{microseconds(until)}"
    return base64.urlsafe_b64encode(words.encode()).decode().rstrip("=")


def _read_cursor(cursor: str | None, begin: datetime, now: datetime) -> tuple[int, datetime, int, datetime]:
    """(series, place in time, readings of that moment already given, recorded until). Raises InvalidAct."""
    if cursor is None:
        return 0, begin, 0, now
    try:
        words = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        words = ""
    match = _CURSOR.match(words)
    if match is None:
        raise InvalidAct("cursor: is none of ours; use `next` as it came, or leave it out")
    at, place, skip, until = (int(part) for part in match.groups())
    return at, moment_of(place), skip, moment_of(until)
