"""Many schools at once: what a county's page counts of each, by a few statements whatever their number.

The area of the connection hides other schools' rows; the statements name their sites besides, for the indexes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub.store.database import Connection, Row, fetch_all


def school_rows(
    connection: Connection, sites: Sequence[str], *, now: datetime, edges_heard_after: datetime
) -> list[Row]:
    """Each of these sites, one row: site, name, area; worker_at (when its worker last committed); edges,
    edges_online, edges_heard, heard_at; open alarms as critical, high, medium, low, unacknowledged; open
    hazards as hazards, hazards_major, hazards_overdue (due before `now`); open incidents.
    """
    return fetch_all(
        connection,
        "SELECT s.site, s.name, s.area, w.at AS worker_at, e.heard_at,"
        " coalesce(e.edges, 0) AS edges, coalesce(e.online, 0) AS edges_online,"
        " coalesce(e.heard, 0) AS edges_heard,"
        " coalesce(a.critical, 0) AS critical, coalesce(a.high, 0) AS high, coalesce(a.medium, 0) AS medium,"
        " coalesce(a.low, 0) AS low, coalesce(a.unacknowledged, 0) AS unacknowledged,"
        " coalesce(h.hazards, 0) AS hazards, coalesce(h.major, 0) AS hazards_major,"
        " coalesce(h.overdue, 0) AS hazards_overdue, coalesce(i.incidents, 0) AS incidents"
        " FROM site s"
        " LEFT JOIN liveness w ON w.site = s.site AND w.process = 'worker'"
        " LEFT JOIN (SELECT site, max(heard_at) AS heard_at, count(*) AS edges, count(heard_at) AS heard,"
        "   count(*) FILTER (WHERE heard_at >= %(after)s) AS online"
        "   FROM edge WHERE active AND site = ANY(%(sites)s) GROUP BY site) e ON e.site = s.site"
        " LEFT JOIN (SELECT site, count(*) FILTER (WHERE priority = 'critical') AS critical,"
        "   count(*) FILTER (WHERE priority = 'high') AS high,"
        "   count(*) FILTER (WHERE priority = 'medium') AS medium,"
        "   count(*) FILTER (WHERE priority = 'low') AS low,"
        "   count(*) FILTER (WHERE state IN ('unacknowledged', 'returned')) AS unacknowledged"
        "   FROM alarm WHERE state <> 'closed' AND site = ANY(%(sites)s) GROUP BY site) a ON a.site = s.site"
        " LEFT JOIN (SELECT site, count(*) AS hazards, count(*) FILTER (WHERE grade = 'major') AS major,"
        "   count(*) FILTER (WHERE due_at < %(now)s) AS overdue"
        "   FROM hazard WHERE state NOT IN ('closed', 'dismissed') AND site = ANY(%(sites)s) GROUP BY site) h"
        "   ON h.site = s.site"
        " LEFT JOIN (SELECT site, count(*) AS incidents FROM incident"
        "   WHERE state NOT IN ('closed', 'reviewed', 'dismissed') AND site = ANY(%(sites)s) GROUP BY site) i"
        "   ON i.site = s.site"
        " WHERE s.site = ANY(%(sites)s)",
        {"sites": list(sites), "now": now, "after": edges_heard_after},
    )


def device_counts(
    connection: Connection, sites: Sequence[str], *, edges_heard_after: datetime
) -> dict[str, tuple[int, int, int]]:
    """(all, online, offline) devices of each of these sites, the rest being unknown; as `presence.py` judges
    one device: behind a silent edge nothing is known, nor of a device that never said anything.
    """
    rows = connection.execute(
        "SELECT d.site, count(*),"
        " count(*) FILTER (WHERE e.edge IS NOT NULL AND NOT coalesce(o.active, false) AND (o.device IS NOT NULL"
        "  OR EXISTS (SELECT 1 FROM series r WHERE r.site = d.site AND r.device = d.device)"
        "  OR EXISTS (SELECT 1 FROM condition c WHERE c.site = d.site AND c.device = d.device))),"
        " count(*) FILTER (WHERE e.edge IS NOT NULL AND o.active)"
        " FROM device d"
        " LEFT JOIN edge e ON e.site = d.site AND e.edge = d.edge AND e.active AND e.heard_at >= %(after)s"
        " LEFT JOIN condition o ON o.site = d.site AND o.device = d.device AND o.address = ''"
        "  AND o.kind = 'device.offline'"
        " WHERE d.active AND d.site = ANY(%(sites)s) GROUP BY d.site",
        {"sites": list(sites), "after": edges_heard_after},
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}
