"""The rows of a school's calendar: settings, terms and other spans, dates that the school edited."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from hub.domain.calendar import Bell, DayKind, Edit, Period, SchoolCalendar, Span, SpanKind, Timetable
from hub.domain.statutory import NOTHING, chinese_statutory
from hub.store.database import Connection, fetch_all, fetch_one
from hub.store.journal import jsonb


def load_calendar(connection: Connection, site: str) -> SchoolCalendar:
    """The site's calendar in its time zone. Where nothing is entered it still has the state's holidays, and its
    days name what is doubted.
    """
    row = fetch_one(
        connection,
        "SELECT s.time_zone, c.statutory, c.night_begins, c.night_ends, c.timetables"
        " FROM site s LEFT JOIN calendar c USING (site) WHERE s.site = %s",
        (site,),
    )
    zone = ZoneInfo(row["time_zone"] if row else "UTC")
    if row is None or row["statutory"] is None:
        return SchoolCalendar(time_zone=zone, statutory=chinese_statutory())
    spans = fetch_all(
        connection,
        "SELECT kind, begins, ends, name FROM calendar_span WHERE site = %s ORDER BY span",
        (site,),
    )
    days = fetch_all(connection, "SELECT day, kind, follows, name FROM calendar_day WHERE site = %s", (site,))
    return SchoolCalendar(
        time_zone=zone,
        spans=tuple(Span(SpanKind(each["kind"]), each["begins"], each["ends"], each["name"]) for each in spans),
        edits={each["day"]: Edit(DayKind(each["kind"]), each["follows"], each["name"]) for each in days},
        timetables=tuple(_read_timetable(each) for each in row["timetables"]),
        night_begins=row["night_begins"],
        night_ends=row["night_ends"],
        statutory=chinese_statutory() if row["statutory"] == "cn" else NOTHING,
    )


def save_calendar(
    connection: Connection, site: str, calendar: SchoolCalendar, *, actor: str, at: datetime
) -> int:
    """Write a site's calendar whole; its new version. The time zone is the site's own. In the site's turn."""
    row = connection.execute(
        "INSERT INTO calendar (site, version, statutory, night_begins, night_ends, timetables, updated_at,"
        " updated_by) VALUES (%s, 1, %s, %s, %s, %s, %s, %s) ON CONFLICT (site) DO UPDATE SET"
        " version = calendar.version + 1, statutory = EXCLUDED.statutory,"
        " night_begins = EXCLUDED.night_begins, night_ends = EXCLUDED.night_ends,"
        " timetables = EXCLUDED.timetables, updated_at = EXCLUDED.updated_at,"
        " updated_by = EXCLUDED.updated_by RETURNING version",
        (
            site,
            "none" if calendar.statutory is NOTHING else "cn",
            calendar.night_begins,
            calendar.night_ends,
            jsonb([_write_timetable(each) for each in calendar.timetables]),
            at,
            actor,
        ),
    ).fetchone()
    if row is None:
        raise AssertionError("an upsert with RETURNING gives a row")
    connection.execute("DELETE FROM calendar_span WHERE site = %s", (site,))
    connection.execute("DELETE FROM calendar_day WHERE site = %s", (site,))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO calendar_span (site, span, kind, begins, ends, name) VALUES (%s, %s, %s, %s, %s, %s)",
            [
                (site, number, span.kind, span.begins, span.ends, jsonb(span.name))
                for number, span in enumerate(calendar.spans, start=1)
            ],
        )
        cursor.executemany(
            "INSERT INTO calendar_day (site, day, kind, follows, name) VALUES (%s, %s, %s, %s, %s)",
            [
                (site, day, edit.kind, edit.follows, jsonb(edit.name))
                for day, edit in sorted(calendar.edits.items())
            ],
        )
    return int(row[0])


def _read_timetable(document: Mapping[str, Any]) -> Timetable:
    return Timetable(
        weekdays=frozenset(document["weekdays"]),
        bells=tuple(
            Bell(Period(period), time.fromisoformat(begins), time.fromisoformat(ends))
            for period, begins, ends in document["bells"]
        ),
        begins=_date(document["begins"]),
        ends=_date(document["ends"]),
        name=document["name"],
    )


def _write_timetable(table: Timetable) -> dict[str, Any]:
    return {
        "weekdays": sorted(table.weekdays),
        "bells": [[bell.period, bell.begins.isoformat(), bell.ends.isoformat()] for bell in table.bells],
        "begins": table.begins and table.begins.isoformat(),
        "ends": table.ends and table.ends.isoformat(),
        "name": dict(table.name),
    }


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
