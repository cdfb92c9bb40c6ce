"""Which series, which time, whose clock: what the routers of readings and exports ask for alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Final

from fastapi import Depends, Query

from hub.api.act import Line
from hub.domain.bucket import parse_zone
from hub.domain.error import InvalidAct, NotFound
from hub.store.database import Connection
from hub.store.series import Series, choose_series
from hub.store.view import SiteWords

MOST_NAMES: Final = 200
"""So many names in one filter."""
LONGEST: Final = timedelta(days=3_660)
AHEAD: Final = timedelta(minutes=5)
_DAY: Final = timedelta(days=1)
_Names = Annotated[list[Line] | None, Query(max_length=MOST_NAMES)]


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for; every condition that is given must hold."""

    device: Annotated[_Names, Query(description="Devices; repeat it for several")] = None
    point: Annotated[_Names, Query(description="Points, such as temperature_c; repeat it for several")] = None
    address: Annotated[_Names, Query(description="Addresses of a device (detector, door, channel)")] = None
    zone: Annotated[Line | None, Query(description="A zone, with all that lies in it")] = None
    family: Annotated[Line | None, Query(description="A device family")] = None

    @property
    def named(self) -> bool:
        """Whether anything is asked for at all."""
        return any((self.device, self.point, self.address, self.zone, self.family))


Asked = Annotated[Filter, Depends()]
From = Annotated[
    datetime | None,
    Query(alias="from", description="ISO 8601; without a zone UTC; a day before `to` if left out"),
]
To = Annotated[datetime | None, Query(description="ISO 8601, not included; now if left out")]
Zone = Annotated[
    str,
    Query(
        max_length=64,
        description="Whose days: `site` (the site's own clock), `UTC`, an offset such as +08:00, or a name"
        " such as Asia/Shanghai",
    ),
]


def devices_asked(asked: Filter, words: SiteWords) -> list[str] | None:
    """The devices that fit device, zone and family; None for any. Raises NotFound for an unknown zone."""
    if asked.zone is None and asked.family is None:
        return list(asked.device) if asked.device else None
    if asked.zone is not None and asked.zone not in words.zones:
        raise NotFound("there is no such zone")
    inside = zones_within(words, asked.zone) if asked.zone is not None else None
    return [
        device
        for device, row in words.devices.items()
        if (not asked.device or device in asked.device)
        and (inside is None or row["zone"] in inside)
        and (asked.family is None or row["family"] == asked.family)
    ]


def zones_within(words: SiteWords, zone: str) -> set[str]:
    """A zone and all that lies in it."""
    inside = {zone}
    while True:
        more = {name for name, row in words.zones.items() if row["parent"] in inside} - inside
        if not more:
            return inside
        inside |= more


def find_asked(connection: Connection, words: SiteWords, asked: Filter, most: int) -> list[Series]:
    """The series that are asked for, at least one. Raises InvalidAct for none named or too many, NotFound."""
    if not asked.named:
        raise InvalidAct("device: is missing; name a device, a point, an address, a zone or a family")
    series = choose_series(
        connection,
        words.site,
        devices=devices_asked(asked, words),
        points=asked.point or None,
        addresses=asked.address or None,
        limit=most + 1,
    )
    if len(series) > most:
        raise InvalidAct(f"device: more than {most} series fit; name fewer devices or points")
    if not series:
        raise NotFound("there is no such point")
    return series


def read_time(
    since: datetime | None,
    to: datetime | None,
    now: datetime,
    *,
    ahead: timedelta = timedelta(),
    longest: timedelta = LONGEST,
) -> tuple[datetime, datetime]:
    """[from, to): the last day by default; `ahead`: how far beyond now `to` then lies, because clocks differ.
    Raises InvalidAct with the field.
    """
    end = aware(to, "to") if to is not None else now + ahead
    begin = aware(since, "from") if since is not None else end - _DAY
    if not begin < end:
        raise InvalidAct("from: is not before `to`; exchange them")
    if end - begin > longest:
        raise InvalidAct(f"from: more than {longest.days} days before `to`; ask for less at a time")
    return begin, end


def aware(moment: datetime, field: str) -> datetime:
    """The moment in UTC; one without a zone is UTC. Raises InvalidAct outside of 1970 to 9998."""
    if not 1970 <= moment.year < 9999:  # room for a zone and a day on either side
        raise InvalidAct(f"{field}: lies outside the years 1970 to 9998; correct it")
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)


def zone_name(name: str, words: SiteWords) -> str:
    """Whose clock: `site` is the site's own."""
    return words.time_zone if name == "site" else name


def read_zone(name: str, words: SiteWords) -> tzinfo:
    """Whose days and quarters of a day. Raises InvalidAct."""
    return parse_zone(zone_name(name, words))
