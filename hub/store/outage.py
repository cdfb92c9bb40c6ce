"""What is known of times in which no reading came: supervision's events, and what edges say they dropped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from hub.store.database import Connection, Row, fetch_all


def outage_changes(
    connection: Connection, site: str, devices: Collection[str], *, begin: datetime, end: datetime
) -> list[Row]:
    """The changes of what makes readings stay out, in order of time: device, kind, active, observed_at.

    Of each (device, kind) also the last change in the month before `begin`. Devices may be the hub's own
    subjects, `edge:<edge>`, `hub:broker`, `hub:store`.
    """
    return fetch_all(
        connection,
        "WITH asked AS (SELECT device, kind FROM unnest(%(devices)s::text[]) AS device,"
        "  unnest(ARRAY['device.offline', 'edge.offline', 'broker.offline', 'store.unavailable']) AS kind"
        "  WHERE CASE WHEN device LIKE 'edge:%%' THEN kind = 'edge.offline'"
        "   WHEN device = 'hub:broker' THEN kind = 'broker.offline'"
        "   WHEN device = 'hub:store' THEN kind = 'store.unavailable' ELSE kind = 'device.offline' END)"
        " SELECT device, kind, active, observed_at FROM ("
        "  SELECT a.device, a.kind, e.active, e.observed_at FROM asked a CROSS JOIN LATERAL ("
        "   SELECT active, observed_at FROM events WHERE site = %(site)s AND device = a.device"
        "    AND recorded_at >= %(begin)s - interval '32 days' AND recorded_at < %(begin)s"
        "    AND kind = a.kind AND address = '' AND active IS NOT NULL"
        "   ORDER BY recorded_at DESC LIMIT 1) e"
        "  UNION ALL SELECT e.device, e.kind, e.active, e.observed_at FROM events e JOIN asked a"
        "   ON a.device = e.device AND a.kind = e.kind WHERE e.site = %(site)s AND e.address = ''"
        "   AND e.active IS NOT NULL AND e.recorded_at >= %(begin)s AND e.recorded_at < %(end)s"
        " ) found ORDER BY observed_at",
        {"site": site, "devices": list(devices), "begin": begin, "end": end},
    )


def dropped_gaps(
    connection: Connection, site: str, gaps: Sequence[tuple[int, str, datetime, datetime]], lane: int
) -> set[int]:
    """Those of the gaps (series, edge, begin, end), by index, in which the edge dropped telemetry.

    A lane is first-in-first-out: what was dropped there lies between the last reading before the gap and
    the first after it, and so does its tombstone, by the time of recording.
    """
    rows = connection.execute(
        "SELECT DISTINCT g.n FROM unnest(%(series)s::int[], %(edges)s::text[], %(begins)s::timestamptz[],"
        "  %(ends)s::timestamptz[]) WITH ORDINALITY AS g(series, edge, begin, until, n)"
        " LEFT JOIN LATERAL (SELECT recorded_at FROM readings WHERE site = %(site)s AND series = g.series"
        "  AND observed_at < g.begin ORDER BY observed_at DESC LIMIT 1) b ON true"
        " LEFT JOIN LATERAL (SELECT recorded_at FROM readings WHERE site = %(site)s AND series = g.series"
        "  AND observed_at >= g.until ORDER BY observed_at LIMIT 1) a ON true"
        " JOIN tombstone t ON t.site = %(site)s AND t.edge = g.edge AND t.lane = %(lane)s"
        "  AND t.recorded_at >= coalesce(b.recorded_at, g.begin)"
        "  AND t.recorded_at <= coalesce(a.recorded_at, 'infinity')",
        {
            "site": site,
            "series": [gap[0] for gap in gaps],
            "edges": [gap[1] for gap in gaps],
            "begins": [gap[2] for gap in gaps],
            "ends": [gap[3] for gap in gaps],
            "lane": lane,
        },
    )
    return {int(row[0]) - 1 for row in rows}
