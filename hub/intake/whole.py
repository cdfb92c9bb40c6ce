"""Runs that come as a whole: what an edge dropped, and payloads that cannot be opened."""

from __future__ import annotations

from adapters.contract.vocabulary import Lane
from hub.intake.lane import Step
from hub.intake.parcel import Notice, Parcel
from hub.intake.run import Run
from hub.store.cursor import TombstoneRow
from hub.store.quarantine import QuarantineRow


def take_whole(parcel: Parcel, run: Run, step: Step) -> None:
    """Put a tombstone or a spoiled payload into the parcel: one row for the whole run, and what is to be
    told of it.
    """
    edge = run.sender.edge
    first, count = run.first + step.skip, run.count - step.skip
    if run.tombstone is not None:
        reason = run.tombstone.reason.replace("\0", "�")[:500]
        readings = run.tombstone.count_readings(step.skip)
        parcel.tombstones.append(TombstoneRow(edge, run.epoch, int(run.lane), first, count, reason, readings))
        told: dict[str, str | int | float | bool] = {
            "lane": run.lane.name.lower(),
            "dropped": count,
            "readings": readings,
            "reason": reason[:100],
        }
        parcel.note(Notice("edge.spool_dropping", f"edge:{edge}", True, told))
    if run.spoiled is not None:
        parcel.held.append(
            QuarantineRow(
                edge=edge,
                epoch=run.epoch,
                lane=int(run.lane),
                sequence=first,
                ordinal=None,
                code=run.spoiled.code,
                reason=run.spoiled.reason,
                late=None,
                payload=run.spoiled.payload,
                size_bytes=len(run.spoiled.payload),
            )
        )
        if run.lane is Lane.ALARM:
            why: dict[str, str | int | float | bool] = {
                "code": run.spoiled.code,
                "reason": run.spoiled.reason[:200],
                "items": count,
            }
            parcel.note(Notice("intake.unreadable", f"edge:{edge}", None, why))
