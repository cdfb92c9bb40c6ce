"""Which requests fetch what a profile wants: neighbours joined, within the device's limits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from adapters.profile.modbus import BIT_TABLES, WORDS, ModbusSection, Reads, Repeat, Table

Image = dict[Table, dict[int, int]]
"""What was read: by table and address. What is absent was not read, or not answered."""


@dataclass(frozen=True, slots=True)
class Span:
    """`count` neighbours of one table, from `at` on: one request."""

    table: Table
    at: int
    count: int

    @property
    def end(self) -> int:
        return self.at + self.count


def plan_reads(wanted: Iterable[Span], reads: Reads) -> list[Span]:
    """The fewest requests that fetch all wanted spans, bit tables first, in order of address.

    Bits come first so that a press between two requests shows in its counter at once. A span is
    never split: a value of two registers is read in one piece.
    """
    planned: list[Span] = []
    for span in sorted(set(wanted), key=lambda span: (span.table not in BIT_TABLES, span.table, span.at)):
        limit = reads.bits if span.table in BIT_TABLES else reads.registers
        last = planned[-1] if planned else None
        if last and last.table == span.table and span.at - last.end <= reads.gap:
            joined = max(last.end, span.end) - last.at
            if joined <= limit:
                planned[-1] = Span(span.table, last.at, joined)
                continue
        planned.append(span)
    return planned


def wanted_spans(section: ModbusSection, poll: str) -> Iterator[Span]:
    """Every place that a poll class looks at."""
    for conditions in section.conditions:
        if conditions.poll == poll:
            yield from _row(conditions.table, conditions.at, 1, conditions.repeat)
    for momentary in section.momentary:
        if momentary.poll == poll:
            for place in (momentary.counter, momentary.latched):
                if place:
                    yield from _row(place.table, place.at, 1, momentary.repeat)
    for change in section.changes:
        if change.poll == poll:
            yield Span(change.table, change.at, 1)
            yield Span(change.counter.table, change.counter.at, 1)
    for reading in section.readings:
        if reading.poll == poll:
            yield from _row(reading.table, reading.at, WORDS[reading.type], reading.repeat)


def _row(table: Table, at: int, words: int, repeat: Repeat | None) -> Iterator[Span]:
    if repeat is None:
        yield Span(table, at, words)
    else:
        for i in range(repeat.count):
            yield Span(table, at + i * repeat.stride, words)
