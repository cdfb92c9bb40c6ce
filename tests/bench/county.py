"""What a county's page takes, and what the walls between schools take: over HTTP, with many schools.

The bare SELECT goes through the very rows that the page is counted from, by the owner, whom row security does
not bind, on one connection and without HTTP. The overhead of row security is that of the same statements by the
API's role, whose area is a list of the schools, against the owner.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from hub.accounts.invitation import hash_token
from hub.clock import utc_now
from hub.domain.county import LOST_AFTER
from hub.domain.permission import Access, Grant, Role
from hub.store.account import find_session
from hub.store.county import device_counts, school_rows
from hub.store.database import Connection, connect
from hub.store.migration import migrate
from hub.store.view import count_work, device_rows, open_alarms
from hub.store.wall import dsn_as
from sanfang.embedded.postgres import EmbeddedPostgres, usable_home
from sanfang.ports import choose_port
from sanfang.supervisor import Child
from tests.bench.figures import ratio
from tests.running_api import run_api_here

_FILL: Final = (
    "INSERT INTO site (site, name, area) SELECT 'school-' || n, jsonb_build_object('zh', '第' || n || '学校'),"
    " ARRAY['city', 'county-' || n %% 10] FROM generate_series(1, %(schools)s) n",
    "INSERT INTO zone (site, zone, name, kind) SELECT site, 'hall', '{\"zh\": \"楼\"}', 'building' FROM site",
    # Nine of ten edges speak; the benchmark takes longer than the 30 s after which one counts as lost.
    "INSERT INTO edge (site, edge, name, root_secret, heard_at) SELECT site, 'edge-' || e,"
    " '{\"zh\": \"网关\"}', '\\x00', now() + make_interval(hours => CASE WHEN hashtext(site || e) %% 10 = 0"
    " THEN -1 ELSE 9 END) FROM site, generate_series(0, 3) e",
    "INSERT INTO liveness (process, site, started_at, at)"
    " SELECT 'worker', site, now(), now() + interval '9 hours' FROM site",
    "INSERT INTO device (site, device, name, family, zone, edge, connection, profile) SELECT site,"
    " 'device-' || d, '{\"zh\": \"设备\"}', 'fire_alarm', 'hall', 'edge-' || d %% 4, 'mqtt', 'any'"
    " FROM site, generate_series(1, %(devices)s) d",
    # Three points of each device, but for one device in fifty, of which nothing was ever heard.
    "INSERT INTO series (site, series, device, address, point)"
    " SELECT site, d * 3 + p, 'device-' || d, '', 'p-' || p FROM site,"
    " generate_series(1, %(devices)s) d, generate_series(0, 2) p WHERE d %% 50 <> 0",
    # One in three has been offline, one in thirty is; every third has another condition besides.
    "INSERT INTO condition (site, device, address, kind, active, observed_at, recorded_at, event)"
    " SELECT site, 'device-' || d, '', 'device.offline', d %% 30 = 0, now(), now(), '' FROM site,"
    " generate_series(3, %(devices)s, 3) d UNION ALL"
    " SELECT site, 'device-' || d, '1', 'door.open', d %% 2 = 0, now(), now(), '' FROM site,"
    " generate_series(1, %(devices)s, 3) d",
    # Ten open alarms of two hundred and ten, ten open hazards of sixty.
    "INSERT INTO alarm (site, alarm, subject, condition, kind, priority, state, nature, rule, rule_version,"
    " owner_post, observed_at, raised_at, last_raised_at) SELECT site, a, 'device-' || a, 'x', 'x',"
    " (ARRAY['critical', 'high', 'medium', 'low'])[1 + abs(hashtext(site || a)) %% 4],"
    " CASE WHEN a <= 10 THEN 'unacknowledged' ELSE 'closed' END, 'plain', 'r', 1, 'p', now(), now(), now()"
    " FROM site, generate_series(1, 210) a",
    "INSERT INTO hazard (site, hazard, subject, condition, title, grade, state, source, reported_at,"
    " last_seen_at, due_at) SELECT site, h, 'device-' || h, 'x', '{}', 'general',"
    " CASE WHEN h <= 10 THEN 'confirmed' ELSE 'closed' END, 'r', now(), now(),"
    " now() + make_interval(days => h - 3)"
    " FROM site, generate_series(1, 60) h",
    "ANALYZE",
)
_BARE: Final = (
    "SELECT count(*) FROM (SELECT site, name, area FROM site) x",
    "SELECT count(*) FROM (SELECT site, edge, heard_at FROM edge WHERE active) x",
    "SELECT count(*) FROM (SELECT site, priority, state FROM alarm WHERE state <> 'closed') x",
    "SELECT count(*) FROM (SELECT site, grade, due_at FROM hazard"
    " WHERE state NOT IN ('closed', 'dismissed')) x",
    "SELECT count(*) FROM (SELECT site, device, edge FROM device WHERE active) x",
    "SELECT count(*) FROM (SELECT site, device, active FROM condition) x",
    "SELECT count(*) FROM (SELECT site, device FROM series) x",
)
_CHECKS: Final = 20_000


def measure_county(schools: int, devices: int, rounds: int) -> dict[str, Any]:
    """The figures `county` and `access` of so many schools with so many devices altogether."""
    folder = Path(tempfile.mkdtemp(prefix="sanfang-bench-"))
    folder.chmod(0o755)
    postgres = EmbeddedPostgres(usable_home(folder), choose_port(), fsync=False)
    postgres.prepare()
    server = Child(postgres.service(), folder, folder)
    try:
        server.start()
        postgres.ensure_database("county")
        dsn = postgres.dsn("county")
        migrate(dsn)
        with connect(dsn, application="bench") as owner:
            for statement in _FILL:
                # Only statements of this file, with numbers for values.
                owner.execute(statement.encode(), {"schools": schools, "devices": devices // schools})
            sites = [f"school-{number}" for number in range(1, schools + 1)]
            with (
                run_api_here(dsn, folder) as api,
                connect(dsn_as(dsn, "api", {}), application="bench", area=sites) as walled,
            ):
                api.administrator()
                client = api.colleague("bureau", Grant(Role.BUREAU, area=("city",)))
                page = {"limit": min(500, schools)}

                def ask() -> None:
                    answer = client.get("/api/v1/county", params=page)
                    answer.raise_for_status()
                    told = answer.json()
                    assert told["total"] == schools and len(told["schools"]) == page["limit"]
                    assert sum(school["devices"]["total"] for school in told["schools"]) == devices

                pages, bare = _side_by_side(ask, lambda: _go_through(owner), rounds)
                seen, unbound = _side_by_side(
                    lambda: _count(walled, sites), lambda: _count(owner, sites), rounds
                )
                request, without = _side_by_side(lambda: _look(walled), lambda: _look(owner), rounds * 40)
                session = hash_token(client.cookies["sanfang_session"])
                came = _times(lambda: find_session(walled, session, utc_now()), rounds * 10)
        access = Access("a", (Grant(Role.BUREAU, area=("city",)),), dict.fromkeys(sites, ("city", "c")))
        return {
            "county": {
                "schools": schools,
                "devices": devices,
                "page_ms": round(statistics.median(pages) * 1e3, 1),
                "page_max_ms": round(max(pages) * 1e3, 1),
                "ratio_to_select": ratio(pages, bare),
                "rls_ratio": ratio(seen, unbound),
            },
            "access": {
                "rls_ratio": ratio(request, without),
                "request_ms": round(statistics.median(request) * 1e3, 2),
                "session_ms": round(statistics.median(came) * 1e3, 2),
                "permission_us": round(_check(access, sites[-1]) * 1e6, 2),
            },
        }
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _go_through(connection: Connection) -> None:
    for statement in _BARE:
        connection.execute(statement.encode()).fetchone()


def _count(connection: Connection, sites: list[str]) -> None:
    now = utc_now()
    school_rows(connection, sites, now=now, edges_heard_after=now - LOST_AFTER)
    device_counts(connection, sites, edges_heard_after=now - LOST_AFTER)


def _look(connection: Connection) -> None:
    """What one school's overview asks for, mostly."""
    open_alarms(connection, "school-1")
    device_rows(connection, "school-1", values=False)
    count_work(connection, "school-1")


def _side_by_side(
    one: Callable[[], object], other: Callable[[], object], rounds: int
) -> tuple[list[float], list[float]]:
    """Seconds of each, turn by turn, after one turn that warms up."""
    one()
    other()
    pairs = [(_times(one, 1)[0], _times(other, 1)[0]) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _times(act: Callable[[], object], count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        begun = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - begun)
    return seconds


def _check(access: Access, site: str) -> float:
    """Seconds of one question whether somebody may do something somewhere."""
    begun = time.perf_counter()
    for _ in range(_CHECKS):
        access.may("alarm.read", site)
    return (time.perf_counter() - begun) / _CHECKS
