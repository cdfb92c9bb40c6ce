"""Items into rows and inputs: decoded, checked, placed, dated. Pure but for the site's memory.

An item that cannot be taken raises a WireError before anything of it is in the parcel, so that its
caller can hold it whole; inside an item, single events and readings of a wrong device are held alone.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from adapters.contract.codec import decode_item, encode_payload
from adapters.contract.command import derive_command
from adapters.contract.error import MalformedItem, WireError
from adapters.contract.message import (
    RETOLD,
    Event,
    EventItem,
    ReadingColumns,
    ReadingsItem,
    Reflex,
    ResultItem,
    pack_readings,
    unpack_readings,
)
from adapters.contract.topic import NAME
from adapters.contract.vocabulary import REFLEX_COMMANDS, Lane, Quality
from hub.domain.command import Precedence, ReflexDone
from hub.domain.judgement import EventInput, ReadingInput, SiteModel
from hub.domain.moment import microseconds
from hub.domain.pseudonym import HOLDER, make_pseudonym
from hub.intake.clock import EdgeTime, edge_time, event_time, is_late, moment, moment_or_none, reading_times
from hub.intake.parcel import Notice, Parcel, Result
from hub.intake.series import MOST_ADDRESS, REFUSED, Series, SeriesBook, check_address
from hub.store.event import EventRow
from hub.store.partition import open_range
from hub.store.quarantine import QuarantineRow
from hub.store.reading import ReadingBlock

_FAR: Final = 2**62
"""Beyond any calendar, and still far from the end of 64 bits."""
_MOST_IDENTITY: Final = 1_000
_MOST_SIGNS: Final = 64
_GOOD: Final = int(Quality.GOOD)
_UNCERTAIN: Final = int(Quality.UNCERTAIN)
_PRECEDENCES: Final = frozenset(int(rank) for rank in Precedence)
_RESULTS: Final = frozenset({"accepted", "confirmed", "unconfirmed", "failed", "expired", "refused"})


class Misaddressed(WireError):
    """The device is not in the configuration, or belongs to another edge."""

    code = "misaddressed"


class OutsideOpenRange(WireError):
    """A reading's time lies where nothing can be stored."""

    code = "outside_open_range"


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where an item came from. `ordinal` is added to the index of its events (a retried part)."""

    edge: str
    epoch: int
    lane: Lane
    sequence: int
    age_ms: int
    offset_us: int | None
    ordinal: int = 0

    def id_of(self, index: int) -> str:
        return f"{self.edge}/{self.epoch}/{int(self.lane)}/{self.sequence}/{self.ordinal + index}"


def take_item(parcel: Parcel, book: SeriesBook, origin: Origin, data: bytes) -> None:
    """Put an item into the parcel, or hold it there with the reason; on the alarm lane a held item
    is also told as `intake.unreadable`.
    """
    try:
        item = decode_item(data)
        if isinstance(item, EventItem):
            _take_events(parcel, book, origin, item)
        elif isinstance(item, ReadingsItem):
            _take_readings(parcel, book, origin, item)
        else:
            _take_result(parcel, origin, item)
    except WireError as error:
        hold(parcel, origin, data, error, device="")


def hold(
    parcel: Parcel, origin: Origin, data: bytes, error: WireError, *, device: str, ordinal: int | None = None
) -> None:
    """Keep an item, or a part of one, with the reason."""
    parcel.held.append(
        QuarantineRow(
            edge=origin.edge,
            epoch=origin.epoch,
            lane=int(origin.lane),
            sequence=origin.sequence,
            ordinal=ordinal,
            code=error.code,
            reason=error.detail,
            late=is_late(origin.age_ms),
            payload=data,
            size_bytes=len(data),
        )
    )
    if origin.lane is Lane.ALARM:
        parcel.note(
            Notice(
                "intake.unreadable",
                device or f"edge:{origin.edge}",
                None,
                {"code": error.code, "reason": error.detail[:200]},
            )
        )


def _take_events(parcel: Parcel, book: SeriesBook, origin: Origin, item: EventItem) -> None:
    for index, event in enumerate(item.events):
        fault = check_address(book.model, origin.edge, event.device, event.address)
        error: WireError | None = Misaddressed(fault) if fault else None
        if error is None and len(event.identity) > _MOST_IDENTITY:
            error = MalformedItem(f"identity: {len(event.identity)} characters; {_MOST_IDENTITY} at most")
        if error is None:
            _take_event(parcel, book, origin, index, event)
        else:
            alone = encode_payload(EventItem([event]))
            known = event.device if event.device in book.model.devices else ""
            hold(parcel, origin, alone, error, device=known, ordinal=origin.ordinal + index)
    if item.reflexes:
        _take_reflexes(parcel, book.model, origin, item)


def _take_reflexes(parcel: Parcel, model: SiteModel, origin: Origin, item: EventItem) -> None:
    """What the edge does because of these events; one that cannot be is held alone, the events are taken."""
    at = _edge_time(parcel, origin, item.events[0].edge_at).at if item.events else None
    for reflex in item.reflexes:
        fault = check_address(model, origin.edge, reflex.device, reflex.address)
        error: WireError | None = Misaddressed(fault) if fault else None
        if error is None and at is None:
            error = MalformedItem("reflexes: stand without the event that brought them about")
        if error is None and (fault := find_reflex_fault(origin.edge, reflex)):
            error = MalformedItem(fault)
        if error is None and at is not None:
            parcel.reflexes.append(
                ReflexDone(
                    command=reflex.command,
                    edge=origin.edge,
                    rule=reflex.rule,
                    version=reflex.version,
                    device=reflex.device,
                    address=reflex.address,
                    kind=reflex.kind,
                    parameters={name: _storable(value) for name, value in reflex.parameters.items()},
                    precedence=Precedence(reflex.precedence),
                    evidence=tuple(reflex.evidence),
                    at=moment(at),
                )
            )
        elif error is not None:
            alone = encode_payload(EventItem([], [reflex]))
            known = reflex.device if reflex.device in model.devices else ""
            hold(parcel, origin, alone, error, device=known, ordinal=origin.ordinal + len(item.events))


def find_reflex_fault(edge: str, reflex: Reflex) -> str:
    """Why this cannot be a reflex of the edge; empty where it can. Its id proves rule, version, evidence and
    device: an edge can take over no other command under it.
    """
    if reflex.kind not in REFLEX_COMMANDS:
        return f"reflex: {reflex.kind[:80]!r} is none of {', '.join(sorted(REFLEX_COMMANDS))}"
    if not NAME.fullmatch(reflex.rule) or reflex.precedence not in _PRECEDENCES:
        return f"reflex: rule {reflex.rule[:80]!r} of rank {reflex.precedence} cannot be"
    evidence = reflex.evidence[:_MOST_SIGNS]
    if len(evidence) < len(reflex.evidence) or not evidence:
        return f"reflex: {len(reflex.evidence)} events as evidence; 1 to {_MOST_SIGNS}"
    if not all(each.startswith(f"{edge}/") and len(each) <= MOST_ADDRESS for each in evidence):
        return "reflex: its evidence is not of this edge"
    source = f"rule:{reflex.rule}"
    wanted = derive_command(source, reflex.version, evidence[0], reflex.device, reflex.address, reflex.kind)
    return "" if reflex.command == wanted else "reflex: its id is not that of its rule and evidence"


def _take_event(parcel: Parcel, book: SeriesBook, origin: Origin, index: int, event: Event) -> None:
    model = book.model
    edge = _edge_time(parcel, origin, event.edge_at)
    time = event_time(event.observed_at, event.replayed, edge)
    if time.drift is not None:
        parcel.note_drift(event.device, edge.at - (event.observed_at or 0) if time.drift else 0)
    fact = model.devices.get(event.device)
    edge_at = moment(edge.at)
    taken = EventInput(
        id=origin.id_of(index),
        # Where the edge speaks of itself (hub.lost, …) it is the subject that the hub speaks of, too.
        device=f"edge:{event.device}" if fact is None else event.device,
        address=event.address,
        zone=None if fact is None else fact.address_zones.get(event.address, fact.zone),
        kind=event.kind,
        active=event.active,
        observed_at=edge_at if time.observed_at == edge.at else moment(time.observed_at),
        recorded_at=parcel.recorded_at,
        late=is_late(origin.age_ms),
        attributes=_attributes(event, book.secret),
    )
    if time.observed_at != event.observed_at:
        parcel.by_edge.add(taken.id)
    if event.replayed and event.attributes.get(RETOLD) is True:
        parcel.retold.add(taken.id)
    parcel.inputs.append(taken)
    parcel.events.append(
        EventRow(
            input=taken,
            device_at=moment_or_none(event.observed_at),
            edge_at=edge_at,
            edge=origin.edge,
            epoch=origin.epoch,
            lane=int(origin.lane),
            sequence=origin.sequence,
            ordinal=origin.ordinal + index,
            quality=_UNCERTAIN if time.uncertain else _GOOD,
            identity=event.identity,
            # The device's own words name the card as well.
            raw=b"" if HOLDER in event.attributes else event.raw,
        )
    )


def _take_readings(parcel: Parcel, book: SeriesBook, origin: Origin, item: ReadingsItem) -> None:
    try:
        columns = unpack_readings(item)
    except ValueError as error:
        raise MalformedItem(str(error)) from None
    if not len(columns.index):
        return
    series = book.find(origin.edge, item.series, parcel)
    numbers = np.array([each.number for each in series], np.int32)[columns.index]
    edge = _edge_time(parcel, origin, item.edge_at)
    times = reading_times(columns.observed_at, edge, replayed=item.replayed)
    begin, end = (microseconds(bound) for bound in open_range(parcel.recorded_at))
    addressed = numbers != REFUSED
    in_range = (times.observed_at >= begin) & (times.observed_at < end)
    good = addressed & in_range
    quality = columns.quality
    if edge.uncertain or times.drift.any():
        doubted = (times.drift | edge.uncertain) & (quality == Quality.GOOD)
        quality = np.where(doubted, np.uint8(Quality.UNCERTAIN), quality)
    if times.drift.any() or (book.drifting and not item.replayed):
        behind = np.where(times.drift, edge.at - np.clip(columns.observed_at, -_FAR, _FAR), 0)
        _note_drifts(parcel, item, columns.index[addressed], behind[addressed])
    whole = bool(good.all())
    block = (
        ReadingBlock(numbers, times.observed_at, columns.value, quality)
        if whole
        else ReadingBlock(numbers[good], times.observed_at[good], columns.value[good], quality[good])
    )
    if len(block):
        parcel.blocks.append(block)
    if any(each.concerned for each in series):
        _feed_readings(parcel, book, origin, item, columns.index, block, series, good)
    if not whole:
        _hold_readings(parcel, origin, item, columns, series, addressed, in_range)


def _note_drifts(
    parcel: Parcel,
    item: ReadingsItem,
    index: npt.NDArray[np.uint16],
    behind_us: npt.NDArray[np.int64],
) -> None:
    furthest = np.zeros(len(item.series), np.int64), np.zeros(len(item.series), np.int64)
    np.maximum.at(furthest[0], index, behind_us)
    np.minimum.at(furthest[1], index, behind_us)
    for number in np.unique(index):
        behind, ahead = int(furthest[0][number]), int(furthest[1][number])
        parcel.note_drift(item.series[number][0], behind if behind > -ahead else ahead)


def _feed_readings(
    parcel: Parcel,
    book: SeriesBook,
    origin: Origin,
    item: ReadingsItem,
    index: npt.NDArray[np.uint16],
    block: ReadingBlock,
    series: list[Series],
    good: npt.NDArray[np.bool_],
) -> None:
    """Give the rules what could mean something to them. A reading within what is quiet for every rule of its
    point, while no rule remembers its series, changes nothing whether it is fed or not.
    """
    rows = np.flatnonzero(good)
    places = index[rows]
    concerned = np.array([each.concerned for each in series], bool)[places]
    parcel.concerned += int(concerned.sum())
    low = np.array([each.low for each in series])[places]
    high = np.array([each.high for each in series])[places]
    quiet = (block.value >= low) & (block.value <= high)
    quiet &= np.isfinite(block.value) & (block.quality <= Quality.UNCERTAIN)
    stirred = np.array(book.rules.awake(item.series), bool)
    if parcel.stirred:
        stirred |= np.array([key in parcel.stirred for key in item.series], bool)
    stirred[places[concerned & ~quiet]] = True
    fed = concerned & stirred[places]
    if not fed.any():
        return
    parcel.stirred.update(item.series[place] for place in np.unique(places[fed]))
    late = is_late(origin.age_ms)
    for at in np.flatnonzero(fed):
        row = int(rows[at])
        device, address, point = item.series[index[row]]
        parcel.inputs.append(
            ReadingInput(
                id=origin.id_of(row),
                device=device,
                address=address,
                zone=series[index[row]].zone,
                point=point,
                value=float(block.value[at]),
                quality=Quality(int(block.quality[at])),
                observed_at=moment(int(block.observed_at[at])),
                recorded_at=parcel.recorded_at,
                late=late,
            )
        )


def _hold_readings(
    parcel: Parcel,
    origin: Origin,
    item: ReadingsItem,
    columns: ReadingColumns,
    series: list[Series],
    addressed: npt.NDArray[np.bool_],
    in_range: npt.NDArray[np.bool_],
) -> None:
    """Hold the readings that cannot be stored, and only them: one row per reason."""
    faults = sorted({each.fault for each in series if each.fault})
    reasons: list[tuple[npt.NDArray[np.bool_], WireError]] = [
        (~addressed, Misaddressed("; ".join(faults[:5]))),
        (
            addressed & ~in_range,
            OutsideOpenRange("observed_at: outside the days that are open for readings"),
        ),
    ]
    for rows, error in reasons:
        if rows.any():
            part = ReadingColumns(
                columns.index[rows], columns.observed_at[rows], columns.value[rows], columns.quality[rows]
            )
            payload = encode_payload(pack_readings(item.edge_at, item.series, part, replayed=item.replayed))
            hold(parcel, origin, payload, error, device="", ordinal=int(np.flatnonzero(rows)[0]))


def _take_result(parcel: Parcel, origin: Origin, item: ResultItem) -> None:
    if item.state not in _RESULTS or not NAME.fullmatch(item.command):
        raise MalformedItem(f"result: command {item.command[:80]!r} cannot be {item.state[:80]!r}")
    parcel.results.append(Result(item.command, item.state, item.detail[:1000], origin.edge))


def _edge_time(parcel: Parcel, origin: Origin, edge_at: int) -> EdgeTime:
    return edge_time(edge_at, origin.age_ms, parcel.recorded_us, origin.offset_us)


def _attributes(event: Event, secret: bytes) -> dict[str, str | int | float | bool]:
    kept = {name: _storable(value) for name, value in event.attributes.items()} if event.attributes else {}
    if HOLDER in kept:
        kept[HOLDER] = make_pseudonym(secret, str(kept[HOLDER]))
    if event.replayed:
        kept["replayed"] = True
    return kept


def _storable(value: str | int | float | bool) -> str | int | float | bool:
    """JSON has no NaN: such an attribute is kept as its word."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
