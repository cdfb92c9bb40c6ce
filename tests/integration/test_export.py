"""Exports: what is stored, all of it, streamed; never half a file that looks like a whole one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pyarrow.parquet as pq
import pytest

from hub.sites.journal import check_journal
from hub.store.database import Connection, connect
from tests.raising import raise_alarm
from tests.reading_scene import HOUR, name_series, roll_up, store, this_hour
from tests.running_api import SITE, RunningApi, prepare_site, run_api_here
from tests.waiting import wait_until

AT = "/api/v1/sites/demo/export"
MINUTE = timedelta(minutes=1)
FORMULA = "=cmd|' /C calc'!A0"
KEYS = [("door", "1", "temperature_c"), ("door", FORMULA, "temperature_c"), ("button", "", "battery_pct")]


@pytest.fixture
def connection(any_database: str) -> Iterator[Connection]:
    prepare_site(any_database)
    opened = connect(any_database, application="test")
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


def fetch(client: httpx2.Client, path: str, **query: Any) -> bytes:
    answer = client.get(f"{AT}/{path}", params={name.rstrip("_"): value for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    return answer.content


def lines(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def fill(connection: Connection, count: int) -> None:
    """Many readings of the first series."""
    connection.execute(
        "INSERT INTO readings SELECT 'demo', 1, %s::timestamptz + n * interval '1 ms', now(), n, 0"
        " FROM generate_series(1, %s) n",
        (this_hour(5), count),
    )


def ended(client: httpx2.Client, how: str) -> bool:
    return f'sanfang_exports_total{{how="{how}"}} 1.0' in client.get("/metrics").text


def test_every_reading_stands_in_the_file(client: httpx2.Client, connection: Connection) -> None:
    begin = this_hour(3)
    store(connection, 1, [(begin + n * MINUTE, n / 3, n % 5) for n in range(5)])
    store(connection, 2, [(begin, float("nan"), 3), (begin, -7.5)])
    answer = client.get(f"{AT}/readings.csv", params={"device": "door", "from": begin.isoformat()})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="sanfang-demo-readings-')
    assert "content-length" not in answer.headers
    title, *rows = lines(answer.content)
    assert title == ["device", "address", "point", "unit", "observed_at", "recorded_at", "value", "quality"]
    assert [row[:4] for row in rows[:5]] == [["door", "1", "temperature_c", "°C"]] * 5
    assert [float(row[6]) for row in rows[:5]] == [n / 3 for n in range(5)]
    assert [row[7] for row in rows[:5]] == ["good", "uncertain", "stale", "bad", "missing"]
    assert datetime.fromisoformat(rows[4][4]) == begin + 4 * MINUTE
    assert [row[1] for row in rows[5:]] == ["'" + FORMULA] * 2
    assert sorted(row[6] for row in rows[5:]) == ["", "-7.5"]
    assert fetch(client, "readings.csv", device="door", bom="true").startswith(b"\xef\xbb\xbfdevice,")


def test_a_parquet_file_holds_the_same(client: httpx2.Client, connection: Connection) -> None:
    begin = this_hour(5)
    fill(connection, 120_000)
    store(connection, 2, [(begin, float("nan"), 3)])
    file = pq.ParquetFile(io.BytesIO(fetch(client, "readings.parquet", device="door", from_=begin.isoformat())))
    assert file.metadata.num_rows == 120_001
    groups = [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]
    assert max(groups) <= 50_000
    table = file.read()
    assert table.column("value").to_pylist()[:3] == [1.0, 2.0, 3.0]
    assert table.column("value").to_pylist()[-1] is None
    assert table.column("observed_at").to_pylist()[0] == begin + timedelta(milliseconds=1)
    assert set(table.column("quality").to_pylist()) == {"good", "bad"}
    assert table.column("address").to_pylist()[-1] == FORMULA
    assert file.schema_arrow.metadata[b"sanfang.site"] == b"demo"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_buckets_with_their_gaps(client: httpx2.Client, connection: Connection, form: str) -> None:
    begin = this_hour(4)
    store(connection, 1, [(begin, 1.0), (begin + MINUTE, 3.0), (begin + 2 * HOUR, 5.0)])
    roll_up(connection, datetime.now(UTC))
    query = {"device": "door", "address": "1", "from_": begin.isoformat(), "bucket": "1h"}
    content = fetch(client, f"readings.{form}", to=(begin + 3 * HOUR).isoformat(), **query)
    if form == "csv":
        title, *rows = lines(content)
        named = [dict(zip(title, row, strict=True)) for row in rows]
        assert [(row["count"], row["mean"], row["last"]) for row in named] == [
            ("2", "2.0", "3.0"),
            ("0", "", ""),
            ("1", "5.0", "5.0"),
        ]
        return
    table = pq.ParquetFile(io.BytesIO(content)).read()
    assert table.column("count").to_pylist() == [2, 0, 1]
    assert table.column("mean").to_pylist() == [2.0, None, 5.0]
    assert table.column("from").to_pylist() == [begin + n * HOUR for n in range(3)]


def test_alarms_and_events_stand_in_files(client: httpx2.Client, connection: Connection) -> None:
    numbers = [raise_alarm(connection, "door.held", "door", address) for address in ("1", "=1+1")]
    client.post(f"/api/v1/sites/demo/alarms/{numbers[0]}/acknowledge", json={})
    title, *rows = lines(fetch(client, "alarms.csv"))
    first, second = (dict(zip(title, row, strict=True)) for row in rows)
    assert (first["alarm"], first["kind_name"], first["acknowledged_by"]) == (
        str(numbers[0]),
        "开门超时",
        "管理员",
    )
    assert float(first["acknowledged_after_s"]) >= 0
    assert (second["address"], second["acknowledged_after_s"]) == ("'=1+1", "")
    assert first["zone_path"] == "教学楼 / <img src=x onerror=alert(1)>"
    connection.execute(
        "INSERT INTO events (site, event, recorded_at, observed_at, edge_at, edge, epoch, lane, sequence,"
        " ordinal, device, address, zone, kind, active, late, quality, identity, attributes, raw)"
        " SELECT 'demo', 'e1/1/1/' || n || '/0', now(), now(), now(), 'e1', 1, 1, n, 0,"
        " 'door', '1', 'lab', 'door.opened', true, false, 0, '', '{\"raw_code\": 7}', '' FROM"
        " generate_series(1, 2500) n"
    )
    title, *rows = lines(fetch(client, "events.csv"))
    assert len(rows) == 2500 == len({row[0] for row in rows})
    assert dict(zip(title, rows[0], strict=True))["attributes"] == '{"raw_code": 7}'
    early = {"from": "2020-01-01", "to": "2020-01-02"}
    assert len(lines(client.get(f"{AT}/alarms.csv", params=early).content)) == 1


def test_exports_are_for_those_who_may_see_the_site(
    client: httpx2.Client, api: RunningApi, any_database: str, connection: Connection
) -> None:
    prepare_site(any_database, {**SITE, "site": "other"})
    name_series(connection, [("secret", "", "co_ppm")], site="other")
    for path in ("readings.csv?device=door", "readings.parquet?device=door", "alarms.csv", "events.csv"):
        assert api.browser().get(f"{AT}/{path}").status_code == 401
        assert client.get(f"/api/v1/sites/elsewhere/export/{path}").status_code == 404
    assert client.get(f"{AT}/readings.csv?device=secret").status_code == 404
    assert client.get(f"{AT}/readings.csv").json()["field"] == "device"
    assert client.get(f"{AT}/readings.xlsx?device=door").status_code == 422


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_database_that_fails_in_the_middle_breaks_the_file(
    client: httpx2.Client, connection: Connection, form: str
) -> None:
    # More than sockets and pipes between them can hold; a Parquet row is an eighth of a line.
    fill(connection, 400_000 if form == "csv" else 1_500_000)
    taken = 0
    with (
        client.stream("GET", f"{AT}/readings.{form}?device=door") as answer,
        pytest.raises(httpx2.RemoteProtocolError),
    ):
        assert answer.status_code == 200
        for chunk in answer.iter_raw():
            if not taken:
                ended_now = connection.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE application_name = 'sanfang api export' AND datname = current_database()"
                ).fetchone()
                assert ended_now == (1,)
            taken += len(chunk)
    assert taken
    wait_until(lambda: ended(client, "broken"))


def test_a_store_that_fails_at_once_gives_an_error_and_no_file(
    client: httpx2.Client, connection: Connection
) -> None:
    store(connection, 1, [(this_hour(1), 1.0)])
    connection.execute("ALTER TABLE readings RENAME COLUMN value TO gone")
    answer = client.get(f"{AT}/readings.csv?device=door")
    assert (answer.status_code, answer.json()["code"]) == (500, "export_failed")


def test_a_client_that_leaves_ends_the_work_and_two_are_enough(
    client: httpx2.Client, connection: Connection, api: RunningApi
) -> None:
    fill(connection, 400_000)

    def running() -> int:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sanfang api export'"
            " AND datname = current_database()"
        ).fetchone()
        return int(row[0]) if row else -1

    with client.stream("GET", f"{AT}/readings.csv?device=door") as first:
        kept = [first.iter_raw()]  # an iterator that is let go closes its answer
        assert next(kept[0])
        with api.administrator().stream("GET", f"{AT}/readings.csv?device=door") as second:
            kept.append(second.iter_raw())
            assert next(kept[1])
            assert running() == 2
            third = client.get(f"{AT}/alarms.csv")
            assert (third.status_code, third.json()["code"]) == (429, "too_many_exports")
            assert int(third.headers["retry-after"]) > 0
            assert client.get("/api/v1/sites/demo/alarms").status_code == 200
    wait_until(lambda: 'sanfang_exports_total{how="gone"} 2.0' in client.get("/metrics").text)
    wait_until(lambda: running() == 0)
    assert len(lines(fetch(client, "alarms.csv"))) == 1


def test_the_journal_is_sealed_and_holds_no_names(client: httpx2.Client, connection: Connection) -> None:
    raise_alarm(connection)
    content = fetch(client, "journal.jsonl").decode()
    found = check_journal(content.splitlines())
    assert not found.faults and found.rows >= 1
    kinds = {row[0] for row in connection.execute("SELECT DISTINCT kind FROM journal").fetchall()}
    assert "alarm.raised" in kinds and all(f'"{kind}"' in content for kind in kinds)
    assert check_journal(content.splitlines()[:-1]).faults, "half a file is not taken for a whole one"
