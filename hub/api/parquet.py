"""Readings and buckets as Parquet, row group by row group. Imported by the exporter only: pyarrow is large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adapters.contract.vocabulary import Quality
from hub.store.series import Page

_TIME: Final = pa.timestamp("us", tz="UTC")
_NAME: Final = pa.dictionary(pa.int32(), pa.string())
_HEAD: Final = [(name, _NAME) for name in ("device", "address", "point", "unit")]
READINGS: Final = pa.schema(
    [*_HEAD, ("observed_at", _TIME), ("recorded_at", _TIME), ("value", pa.float64()), ("quality", _NAME)]
)
BUCKETS: Final = pa.schema(
    [
        *_HEAD,
        ("from", _TIME),
        ("to", _TIME),
        ("count", pa.int64()),
        ("good", pa.int64()),
        *[(name, pa.float64()) for name in ("min", "max", "mean", "last")],
        ("last_at", _TIME),
    ]
)
_QUALITIES: Final = pa.array([quality.name.lower() for quality in Quality])


class ParquetFile:
    """A Parquet file that grows by one row group at a time; readable only once it is closed."""

    def __init__(self, out: BinaryIO, schema: pa.Schema, about: Mapping[str, str]) -> None:
        self._schema = schema.with_metadata(dict(about))
        self._writer = pq.ParquetWriter(out, self._schema, compression="zstd")

    def add_readings(self, head: Sequence[str], page: Page) -> None:
        """A page of one series."""
        count = len(page)
        # A value that is no number is none: NaN in a column of figures spoils every sum.
        value = pa.array(page.value, mask=~np.isfinite(page.value))
        quality = pa.DictionaryArray.from_arrays(pa.array(page.quality.astype(np.int32)), _QUALITIES)
        times = [pa.array(at).cast(_TIME) for at in (page.observed_at, page.recorded_at)]
        self._add([*[_repeat(cell, count) for cell in head], *times, value, quality])

    def add_buckets(self, head: Sequence[str], columns: Sequence[Sequence[Any]]) -> None:
        """Buckets of one series, by the columns of `BUCKETS` after the head."""
        fields = [self._schema.field(number) for number in range(len(head), len(self._schema))]
        values = [pa.array(column, field.type) for column, field in zip(columns, fields, strict=True)]
        self._add([*[_repeat(cell, len(columns[0])) for cell in head], *values])

    def close(self) -> None:
        """Write the footer: without it the file cannot be read, so that a torn one shows."""
        self._writer.close()

    def _add(self, columns: Sequence[pa.Array]) -> None:
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))


def _repeat(text: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([text]))
