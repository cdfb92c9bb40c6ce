"""One export as a short-lived program of its own: an order on standard input, the file on standard output.

`export.py` starts it and passes its bytes on. So an export cannot hold up the API's alarms (it is another
process, and a patient one), its memory goes with it, and its exit code says whether the file is whole.
Nothing is written before the first page was read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import msgspec

from hub.api.sheet import BOM, write_line, write_number, write_readings, write_text, write_time
from hub.domain.bucket import WIDTHS_S, Bucketing, lay_buckets, parse_zone
from hub.domain.error import HubError, NotFound, QueryTooSlow
from hub.family import die_with_parent
from hub.store.database import Connection, Row, connect, watched
from hub.store.extract import Place, limit_export, one_view, page_alarms, page_events
from hub.store.series import Page, add_up, next_place, read_page
from hub.store.view import load_words

PAGE_ROWS: Final = 50_000
"""Readings that are in memory at once; a row group of a Parquet file."""
PAGE_RECORDS: Final = 1_000
PAGE_BUCKETS: Final = 2_000
EXIT_STORE: Final = 3
"""The store is away."""
EXIT_SLOW: Final = 4
"""A page took longer than it may."""
_NICE: Final = 10
READING_COLUMNS: Final = (
    "device",
    "address",
    "point",
    "unit",
    "observed_at",
    "recorded_at",
    "value",
    "quality",
)
BUCKET_COLUMNS: Final = (
    *READING_COLUMNS[:4],
    *("from", "to", "count", "good", "min", "max", "mean", "last", "last_at"),
)
Column = tuple[str, Callable[[Row], str]]
Pager = Callable[..., tuple[list[Row], Place | None]]


class Order(msgspec.Struct, frozen=True):
    """What to write. `series` are (number, device, address, point, unit), `bucket` a width or `raw`."""

    database: str
    site: str
    what: Literal["readings", "alarms", "events", "journal"]
    form: Literal["csv", "parquet", "jsonl"]
    begin: datetime
    end: datetime
    until: datetime
    """What was recorded later is left out, so that the file does not depend on how long it takes."""
    bom: bool = False
    series: list[tuple[int, str, str, str, str]] = []
    bucket: str = "raw"
    time_zone: str = "UTC"
    keys: str = ""
    """The folder with the hub's journal key; only the journal needs it."""


def main() -> int:
    """Write the file; 0 where all of it was written."""
    die_with_parent()
    os.nice(_NICE)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    out = sys.stdout.buffer
    try:
        connection = limit_export(connect(order.database, application="sanfang api export", area=[order.site]))
        with watched(connection):
            export(connection, order, out)
        out.flush()
    except BrokenPipeError:
        os.close(sys.stdout.fileno())  # or the interpreter would flush into the broken pipe at its end
        return 1
    except QueryTooSlow as error:
        print(f"export of {order.what} at {order.site}: {error}", file=sys.stderr)
        return EXIT_SLOW
    except HubError as error:
        print(f"export of {order.what} at {order.site}: {error}", file=sys.stderr)
        return EXIT_STORE if error.retry else 1
    return 0


def export(connection: Connection, order: Order, out: BinaryIO) -> None:
    """Write what is ordered. Raises StoreUnavailable."""
    if order.what == "journal":
        _write_journal(connection, order, out)
    elif order.what != "readings":
        from hub.api.record import alarm_columns, event_columns

        words = load_words(connection, order.site)
        if words is None:
            raise NotFound("there is no such site")
        if order.what == "alarms":
            _write_records(connection, order, out, page_alarms, alarm_columns(words))
        else:
            _write_records(connection, order, out, page_events, event_columns(words))
    elif order.form == "csv":
        _write_csv(connection, order, out)
    else:
        _write_parquet(connection, order, out)


def _write_journal(connection: Connection, order: Order, out: BinaryIO) -> None:
    from hub.sites.journal import write_journal
    from hub.sites.seal import Sealer

    sealer = Sealer(Path(order.keys))
    with one_view(connection):
        for line in write_journal(connection, order.site, sealer, order.until):
            out.write(line.encode())


def _pages(connection: Connection, order: Order) -> Iterator[tuple[list[str], Page]]:
    """Each series' readings in pages, with its head; an empty page where there is none at all."""
    for number, *head in order.series:
        place, skip, page = order.begin, 0, None
        while page is None or len(page) == PAGE_ROWS:
            page = read_page(
                connection,
                order.site,
                number,
                begin=place,
                end=order.end,
                recorded_until=order.until,
                limit=PAGE_ROWS,
                skip=skip,
            )
            yield head, page
            if len(page):
                place, skip = next_place(page, place, skip)


def _bucket_pages(
    connection: Connection, order: Order
) -> Iterator[tuple[list[str], Bucketing, dict[int, Row]]]:
    """Each series' buckets, so many at a time."""
    zone, stride = parse_zone(order.time_zone), timedelta(seconds=WIDTHS_S[order.bucket] * PAGE_BUCKETS)
    for number, *head in order.series:
        begin = order.begin
        while begin < order.end:
            buckets = lay_buckets(order.bucket, begin, min(order.end, begin + stride), zone)
            rows = add_up(connection, order.site, [number], buckets)
            yield head, buckets, {row["slot"]: row for row in rows}
            begin = buckets.edges[-1]


def _write_csv(connection: Connection, order: Order, out: BinaryIO) -> None:
    columns = READING_COLUMNS if order.bucket == "raw" else BUCKET_COLUMNS
    title = (BOM if order.bom else "") + write_line(columns)
    if order.bucket == "raw":
        for head, page in _pages(connection, order):
            out.write((title + write_readings(head, page)).encode())
            title = ""
        return
    for head, buckets, rows in _bucket_pages(connection, order):
        lines = [title]
        for cells in zip(*_bucket_columns(buckets, rows), strict=True):
            begin, end, count, good, *values, last_at = cells
            lines.append(
                write_line(
                    [
                        *map(write_text, head),
                        write_time(begin),
                        write_time(end),
                        str(count),
                        str(good),
                        *map(write_number, values),
                        write_time(last_at),
                    ]
                )
            )
        out.write("".join(lines).encode())
        title = ""


def _write_parquet(connection: Connection, order: Order, out: BinaryIO) -> None:
    from hub.api.parquet import BUCKETS, READINGS, ParquetFile

    about = {
        "sanfang.site": order.site,
        "sanfang.bucket": order.bucket,
        "sanfang.time_zone": order.time_zone,
        "sanfang.recorded_until": order.until.isoformat(),
    }
    if order.bucket == "raw":
        pages = _pages(connection, order)
        head, page = next(pages)
        file = ParquetFile(out, READINGS, about)
        file.add_readings(head, page)
        for head, page in pages:
            file.add_readings(head, page)
    else:
        laid = _bucket_pages(connection, order)
        head, buckets, rows = next(laid)
        file = ParquetFile(out, BUCKETS, about)
        file.add_buckets(head, _bucket_columns(buckets, rows))
        for head, buckets, rows in laid:
            file.add_buckets(head, _bucket_columns(buckets, rows))
    file.close()


def _bucket_columns(buckets: Bucketing, rows: dict[int, Row]) -> list[list[Any]]:
    """from, to, count, good, min, max, mean, last, last_at; an empty bucket has its place and no figures."""
    found = [rows.get(slot) for slot in range(len(buckets))]
    return [
        list(buckets.edges[:-1]),
        list(buckets.edges[1:]),
        *[[row[name] if row else 0 for row in found] for name in ("count", "good")],
        *[[row[name] if row else None for row in found] for name in ("min", "max", "mean", "last", "last_at")],
    ]


def _write_records(
    connection: Connection, order: Order, out: BinaryIO, pager: Pager, columns: Sequence[Column]
) -> None:
    """Rows of a table as lines, each cell by its column."""
    text = (BOM if order.bom else "") + write_line(name for name, _ in columns)
    place: Place | None = None
    while True:
        rows, place = pager(
            connection, order.site, begin=order.begin, end=order.end, after=place, limit=PAGE_RECORDS
        )
        text += "".join(write_line(write(row) for _, write in columns) for row in rows)
        out.write(text.encode())
        text = ""
        if place is None:
            return


if __name__ == "__main__":
    sys.exit(main())
