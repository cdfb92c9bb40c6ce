"""The newest value of every point over HTTP, with how old it is: a stale value is never shown as fresh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from fastapi import APIRouter

from adapters.contract.vocabulary import POINTS, Quality
from hub.api.compose import finite, text_of
from hub.api.context import Here
from hub.api.fault import FAULTS
from hub.api.guard import AtSite, may
from hub.api.presence import FRESH_FOR, device_states
from hub.api.selection import Asked, devices_asked
from hub.api.views import Moment, Text, View
from hub.clock import utc_now
from hub.domain.error import InvalidAct
from hub.store.database import Row, borrow
from hub.store.series import expected_intervals, newest_values
from hub.store.view import SiteWords, device_rows

router = APIRouter(prefix="/api/v1/sites/{site}", tags=["readings"])
MOST_VALUES: Final = 10_000
MISSED_POLLS: Final = 3
"""A polled value is stale after so many intervals without a newer one."""


@dataclass(frozen=True, slots=True)
class LatestView:
    """The newest value of a point. `quality` is `stale` where it is too old or its device is not heard.

    `age_s`: seconds since it was observed, by the hub's clock. `stale_after_s`: how old it may grow;
    three polls of the device where its profile has an interval, else ten minutes.
    """

    device: str
    address: str
    zone: str | None
    family: str | None
    point: str
    point_name: Text
    value: float | None
    unit: str
    quality: Literal["good", "uncertain", "stale", "bad", "missing"]
    observed_at: Moment | None
    recorded_at: Moment | None
    age_s: float | None
    stale_after_s: float


class LatestAnswer(View):
    at: Moment
    values: list[LatestView]


@router.get("/latest", operation_id="listLatest", dependencies=[may("reading.read")], responses=FAULTS)
def get_latest(here: Here, words: AtSite, asked: Asked) -> LatestAnswer:
    """The newest value of every point of a site, or of those asked for, in one call."""
    now = utc_now()
    with borrow(here.pool, [words.site]) as connection:
        rows = newest_values(
            connection,
            words.site,
            devices=devices_asked(asked, words),
            points=asked.point or None,
            limit=MOST_VALUES + 1,
        )
        if len(rows) > MOST_VALUES:
            raise InvalidAct(f"zone: the site has more than {MOST_VALUES} points; ask for a zone or a family")
        states = device_states(device_rows(connection, words.site, values=False), words, now)
        intervals = expected_intervals(connection, words.site)
    addresses = set(asked.address or ())
    return LatestAnswer(
        at=now,
        values=[
            _latest_view(row, words, states, intervals, now)
            for row in rows
            if not addresses or row["address"] in addresses
        ],
    )


def _latest_view(
    row: Row,
    words: SiteWords,
    states: Mapping[str, tuple[str, datetime | None]],
    intervals: Mapping[tuple[str, str], float],
    now: datetime,
) -> LatestView:
    device, point = row["device"], row["point"]
    zh, unit = POINTS.get(point, (point, ""))
    known = words.devices.get(device)
    polled_s = intervals.get((device, point))
    # Never below the edge's own pace: its batches travel each second.
    stale_after_s = max(10.0, MISSED_POLLS * polled_s) if polled_s else FRESH_FOR.total_seconds()
    quality = Quality.MISSING if row["quality"] is None else Quality(row["quality"])
    age_s = None if row["observed_at"] is None else (now - row["observed_at"]).total_seconds()
    recorded_s = None if row["recorded_at"] is None else (now - row["recorded_at"]).total_seconds()
    if quality.usable and (
        states.get(device, ("unknown", None))[0] != "online"
        or max(age_s or 0.0, recorded_s or 0.0) > stale_after_s
    ):
        quality = Quality.STALE
    return LatestView(
        device=device,
        address=row["address"],
        zone=known["zone"] if known else None,
        family=known["family"] if known else None,
        point=point,
        point_name=text_of({"zh": zh, "en": point}),
        value=finite(row["value"]),
        unit=unit,
        quality=quality.name.lower(),  # type: ignore[arg-type]
        observed_at=row["observed_at"],
        recorded_at=row["recorded_at"],
        age_s=None if age_s is None else round(age_s, 3),
        stale_after_s=stale_after_s,
    )
