"""Readings over HTTP: buckets with their gaps, pages, the newest of a site; every bound says its cure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.store.database import Connection, connect
from hub.store.reading import ReadingBlock, newest_per_series, prepare_connection, save_latest
from tests.reading_scene import HOUR, block_of, name_series, roll_up, store, this_hour
from tests.running_api import SITE, RunningApi, prepare_site, run_api_here

AT = "/api/v1/sites/demo"
MINUTE = timedelta(minutes=1)
KEYS = [("door", "1", "temperature_c"), ("door", "", "battery_pct"), ("button", "", "battery_pct")]


@pytest.fixture
def connection(any_database: str) -> Iterator[Connection]:
    prepare_site(any_database)
    opened = prepare_connection(connect(any_database, application="test"))
    name_series(opened, KEYS)
    yield opened
    opened.close()


@pytest.fixture
def api(connection: Connection, any_database: str, tmp_path: Path) -> Iterator[RunningApi]:
    with run_api_here(any_database, tmp_path) as running:
        yield running


@pytest.fixture
def client(api: RunningApi) -> httpx2.Client:
    return api.administrator()


def ask(client: httpx2.Client, path: str, **query: Any) -> Any:
    asked = {"from_": "from"}
    answer = client.get(
        f"{AT}/{path}",
        params={
            asked.get(name, name): value.isoformat() if isinstance(value, datetime) else value
            for name, value in query.items()
        },
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def refuse(client: httpx2.Client, path: str) -> tuple[int, str | None, str]:
    answer = client.get(f"{AT}/{path}")
    return answer.status_code, answer.json().get("field"), answer.json()["message"]


def supervise(connection: Connection, device: str, kind: str, active: bool, at: datetime) -> None:
    connection.execute(
        "INSERT INTO events (site, event, recorded_at, observed_at, edge_at, edge, epoch, lane, sequence,"
        " ordinal, device, address, zone, kind, active, late, quality, identity, attributes, raw)"
        " VALUES ('demo', %s, %s, %s, %s, 'hub', 1, 1, 1, 0, %s, '', NULL, %s, %s, false, 0, '', '{}', '')",
        (f"hub/1/1/{at.timestamp()}/0", at, at, at, device, kind, active),
    )


def test_gaps_are_gaps_and_say_why_and_the_newest_minute_is_there(
    client: httpx2.Client, connection: Connection
) -> None:
    begin = this_hour(6)
    store(
        connection,
        1,
        [(begin, 20.0), (begin + MINUTE, 22.0, 1), (begin + 2 * MINUTE, 99.0, 3)],
        recorded_at=begin,
    )
    roll_up(connection, datetime.now(UTC))
    # Hour 1: the device was offline. Hour 2: its edge was. Hour 3: nobody knows. Hour 4: it dropped it.
    supervise(connection, "door", "device.offline", True, begin + HOUR)
    supervise(connection, "door", "device.offline", False, begin + 2 * HOUR)
    supervise(connection, "edge:e1", "edge.offline", True, begin + 2 * HOUR)
    supervise(connection, "edge:e1", "edge.offline", False, begin + 3 * HOUR)
    supervise(connection, "hub:broker", "broker.offline", True, begin + 3 * HOUR + 20 * MINUTE)
    supervise(connection, "hub:broker", "broker.offline", False, begin + 3 * HOUR + 40 * MINUTE)
    now = datetime.now(UTC)
    store(connection, 1, [(begin + 5 * HOUR, 7.0), (now, 8.0)], recorded_at=now)
    answer = ask(
        client, "series", device="door", point="temperature_c", bucket="1h", from_=begin, time_zone="UTC"
    )
    (series,) = answer["series"]
    assert (series["unit"], series["point_name"]["zh"], series["device_name"]["zh"]) == ("°C", "温度", "门")
    assert (answer["bucket"], answer["bucket_s"], answer["time_zone"]) == ("1h", 3600, "UTC")
    first, *gaps, fifth, last = series["buckets"]
    assert first == {
        "at": begin.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "count": 3,
        "good": 1,
        "min": 20.0,
        "max": 22.0,
        "mean": 21.0,
        "last": 22.0,
        "last_at": (begin + MINUTE).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "gap": None,
    }
    assert [each["gap"] for each in gaps] == ["device_offline", "edge_offline", "no_data", "no_data"]
    assert all(
        (each["count"], each["mean"], each["last"], each["min"]) == (0, None, None, None) for each in gaps
    )
    assert (fifth["count"], last["last"], last["gap"]) == (1, 8.0, None)

    def bury(lane: int, recorded_at: datetime) -> list[str]:
        connection.execute(
            "INSERT INTO tombstone (site, edge, epoch, lane, first, count, reason, recorded_at)"
            " VALUES ('demo', 'e1', 1, %s, %s, 10, 'quota', %s)",
            (lane, int(recorded_at.timestamp()), recorded_at),
        )
        again = ask(client, "series", device="door", point="temperature_c", bucket="1h", from_=begin)
        return [each["gap"] for each in again["series"][0]["buckets"][1:5]]

    known = [each["gap"] for each in gaps]
    assert bury(1, now - timedelta(seconds=1)) == known, "the alarm lane holds no readings"
    assert bury(2, begin - HOUR) == known, "recorded before the reading in front of the gap"
    assert bury(2, now - timedelta(seconds=1)) == ["dropped"] * 4, "between the readings on either side"


def test_many_series_at_once_and_local_days(client: httpx2.Client, connection: Connection) -> None:
    midnight = this_hour(72).replace(hour=16)  # 00:00 at Shanghai
    for number in (1, 2, 3):
        store(connection, number, [(midnight - MINUTE, 1.0), (midnight, 2.0), (midnight + 23 * HOUR, 4.0)])
    roll_up(connection, datetime.now(UTC) - HOUR)
    for zone in ("site", "Asia/Shanghai", "+08:00"):
        answer = ask(
            client, "series", zone="hall", bucket="1d", from_=midnight, to=midnight + 24 * HOUR, time_zone=zone
        )
        assert [(each["device"], each["address"], each["point"]) for each in answer["series"]] == sorted(KEYS)
        for series in answer["series"]:
            (bucket,) = series["buckets"]
            assert (bucket["count"], bucket["mean"], bucket["last"]) == (2, 3.0, 4.0)
    days = ask(client, "series", point=["battery_pct"], bucket="1d", from_=midnight, time_zone="UTC")
    assert len(days["series"]) == 2
    assert days["series"][0]["buckets"][0]["count"] == 2
    family = ask(client, "series", family="panic_button", from_=midnight)
    assert [each["device"] for each in family["series"]] == ["button"]
    assert (family["bucket"], len(family["series"][0]["buckets"]) <= 500) == ("15m", True)


def test_what_is_no_longer_kept_is_not_called_missing(client: httpx2.Client, connection: Connection) -> None:
    store(connection, 1, [(this_hour(1), 1.0)])
    begin = this_hour(24 * 91)
    minutes = ask(client, "series", device="door", bucket="1m", from_=begin, to=begin + HOUR)
    assert {each["gap"] for each in minutes["series"][0]["buckets"]} == {"expired"}
    chosen = ask(client, "series", device="door", from_=begin, to=begin + HOUR)
    assert (chosen["bucket"], chosen["series"][0]["buckets"][0]["gap"]) == ("15m", "no_data")


def test_every_bound_names_field_value_and_cure(client: httpx2.Client, connection: Connection) -> None:
    assert refuse(client, "series") == (
        422,
        "device",
        "device: is missing; name a device, a point, an address, a zone or a family",
    )
    code, field, message = refuse(
        client, "series?device=door&bucket=1m&from=2026-01-01T00:00:00Z&to=2026-02-01"
    )
    assert (code, field) == (422, "bucket")
    assert "44640 buckets" in message and "choose a wider one" in message
    assert refuse(client, "series?device=door&time_zone=Mars")[:2] == (422, "time_zone")
    assert refuse(client, "series?device=door&time_zone=../../etc/passwd")[:2] == (422, "time_zone")
    assert refuse(client, "series?device=door&from=2026-01-02&to=2026-01-01")[:2] == (422, "from")
    assert refuse(client, "series?device=door&bucket=1y")[:2] == (422, "bucket")
    assert refuse(client, "series?device=door&points=0")[:2] == (422, "points")
    assert refuse(client, "series?device=nothing")[0] == 404
    assert refuse(client, "series?zone=nowhere")[0] == 404
    assert refuse(client, "readings?device=door&cursor=Zm9v")[:2] == (422, "cursor")
    assert refuse(client, "readings?device=door&cursor=ä")[:2] == (422, "cursor")
    connection.execute(
        "INSERT INTO series (site, series, device, address, point)"
        " SELECT 'demo', 100 + n, 'door', n::text, 'voltage_v' FROM generate_series(1, 51) n"
    )
    assert refuse(client, "series?point=voltage_v")[:2] == (422, "device")
    code, field, message = refuse(
        client,
        "series?point=voltage_v&bucket=5m&from=2026-01-01&to=2026-01-03&"
        + "&".join(f"address={n}" for n in range(1, 50)),
    )
    assert (code, field) == (422, "bucket"), message
    assert "49 series of 576 buckets" in message


def test_pages_of_readings(client: httpx2.Client, connection: Connection) -> None:
    begin = this_hour(3)
    for number in (1, 2):
        store(connection, number, [(begin + n * MINUTE, float(number * 100 + n)) for n in range(7)])
    found: list[tuple[str, float]] = []
    cursor: dict[str, str] = {}
    pages = 0
    while True:
        page = ask(client, "readings", device="door", limit=3, from_=begin, to=begin + HOUR, **cursor)
        for series in page["series"]:
            found += [(series["point"], each["value"]) for each in series["readings"]]
        pages += 1
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
        store(connection, 1, [(begin + 8 * MINUTE, -1.0)])  # recorded after the first page: not on these
    assert pages == 5
    assert found == [("battery_pct", 200.0 + n) for n in range(7)] + [
        ("temperature_c", 100.0 + n) for n in range(7)
    ]


def test_a_series_of_another_site_is_not_there(
    client: httpx2.Client, connection: Connection, any_database: str, api: RunningApi
) -> None:
    prepare_site(any_database, {**SITE, "site": "other"})
    name_series(connection, [("secret", "", "co_ppm")], site="other")
    store(connection, 1, [(this_hour(1), 5.0)], site="other")
    assert refuse(client, "series?device=secret")[0] == 404
    assert refuse(client, "readings?device=secret")[0] == 404
    assert ask(client, "latest", device="secret")["values"] == []
    for path in ("series?device=door", "readings?device=door", "latest"):
        assert api.browser().get(f"{AT}/{path}").status_code == 401
        assert client.get(f"/api/v1/sites/elsewhere/{path}").status_code == 404


def test_the_newest_values_of_a_site_say_how_old_they_are(
    client: httpx2.Client, connection: Connection
) -> None:
    now = datetime.now(UTC)
    connection.execute("UPDATE edge SET heard_at = now()")
    polled_profile = {"polls": {"fast": 5000}, "readings": [{"point": "temperature_c", "poll": "fast"}]}
    settings = {"profiles": {"any": {"modbus": polled_profile}}}
    connection.execute("UPDATE edge SET settings = %s::jsonb", (json.dumps(settings),))
    newest = newest_per_series(block_of(1, [(now - 20 * timedelta(seconds=1), 21.0)]))
    save_latest(connection, "demo", now, newest)
    save_latest(
        connection, "demo", now, newest_per_series(block_of(2, [(now - 20 * timedelta(seconds=1), 80.0)]))
    )
    values = {(each["device"], each["point"]): each for each in ask(client, "latest")["values"]}
    assert len(values) == 3
    polled, told = values[("door", "temperature_c")], values[("door", "battery_pct")]
    # Asked for every 5 s, and 20 s old: stale. What speaks by itself may be silent for longer.
    assert (polled["value"], polled["quality"], polled["stale_after_s"]) == (21.0, "stale", 15.0)
    assert (told["value"], told["quality"], told["stale_after_s"]) == (80.0, "good", 600.0)
    assert 20 <= told["age_s"] < 40
    never = values[("button", "battery_pct")]
    assert (never["value"], never["quality"], never["age_s"]) == (None, "missing", None)
    connection.execute("UPDATE edge SET heard_at = now() - interval '1 h'")
    assert {each["quality"] for each in ask(client, "latest", device="door")["values"]} == {"stale"}
    assert [each["device"] for each in ask(client, "latest", family="panic_button")["values"]] == ["button"]
    assert len(ask(client, "latest", zone="lab")["values"]) == 1
    assert len(ask(client, "latest", point="battery_pct", zone="hall")["values"]) == 2


def test_two_thousand_points_come_in_one_call(client: httpx2.Client, connection: Connection) -> None:
    connection.execute(
        "INSERT INTO series (site, series, device, address, point)"
        " SELECT 'demo', 100 + n, 'door', n::text, 'voltage_v' FROM generate_series(1, 2000) n"
    )
    now = datetime.now(UTC)
    block = block_of(1, [(now, 1.0)] * 2000)
    numbers = block.series.copy()
    numbers[:] = range(101, 2101)
    save_latest(connection, "demo", now, ReadingBlock(numbers, block.observed_at, block.value, block.quality))
    took = []
    for _ in range(5):
        answer = client.get(f"{AT}/latest?point=voltage_v")
        took.append(answer.elapsed.total_seconds())
    assert len(answer.json()["values"]) == 2000
    # 50 ms is the aim on a quiet machine; what is proved here is that no query runs per point.
    assert min(took) < 0.5, took
    print(f"2000 newest values: {min(took) * 1e3:.0f} ms")


def test_a_query_that_takes_too_long_is_told_from_a_store_that_is_away(
    connection: Connection, client: httpx2.Client
) -> None:
    """Trying again is no cure for the one, asking for less none for the other."""
    connection.execute("ALTER TABLE latest RENAME TO slow")
    connection.execute(
        "CREATE VIEW latest AS SELECT slow.* FROM slow, pg_sleep(3) AS nap; GRANT SELECT ON latest TO PUBLIC"
    )
    answer = client.get(f"{AT}/latest")
    assert (answer.status_code, answer.json()["code"]) == (503, "query_too_slow")
    assert "shorter span" in answer.json()["message"] and "away" not in answer.json()["message"]


def test_what_others_hold_for_too_long_is_busy(connection: Connection, client: httpx2.Client) -> None:
    with connection.transaction():
        connection.execute("LOCK TABLE latest IN ACCESS EXCLUSIVE MODE")
        answer = client.get(f"{AT}/latest")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_busy")
    assert "try again" in answer.json()["message"] and "away" not in answer.json()["message"]
