"""Try a quarantined item again: the same bytes by the same path, in a turn."""

from __future__ import annotations

from datetime import datetime

from adapters.contract.message import AGE_UNKNOWN
from adapters.contract.vocabulary import Lane
from hub.domain.error import ActRefused, NotFound
from hub.intake.clerk import Clerk
from hub.intake.held import HeldSite
from hub.intake.parcel import JournalLine, Parcel
from hub.intake.unpack import Origin, take_item
from hub.store.database import Connection, Row
from hub.store.quarantine import load_quarantined, mark_retried


def retry_item(clerk: Clerk, site: str, quarantine: int, now: datetime) -> str:
    """Feed one held item again; empty when it went in, else why not. Either is journaled. Its events
    keep their ids; they are late, because nobody knows their age any more.
    """
    try:
        row = load_quarantined(clerk.connection, site, quarantine)
        _check(row)
    except (NotFound, ActRefused) as refused:
        return _refuse(clerk, site, quarantine, str(refused), now)
    origin = Origin(
        edge=row["edge"],
        epoch=row["epoch"],
        lane=Lane(row["lane"]),
        sequence=row["sequence"],
        age_ms=AGE_UNKNOWN,
        offset_us=None,
        ordinal=row["ordinal"] or 0,
    )

    def build(held: HeldSite) -> Parcel:
        parcel = Parcel(site, held.next_moment(now), "alarm")
        take_item(parcel, held.series, origin, bytes(row["payload"]))
        if parcel.held:
            raise ActRefused(parcel.held[0].reason)
        parcel.refs.append((origin.edge, origin.epoch, int(origin.lane), origin.sequence, 1))
        line = JournalLine(f"quarantine:{quarantine}", "quarantine.retried", {"quarantine": quarantine})
        parcel.journal.append(line)
        return parcel

    def mark(connection: Connection) -> None:
        mark_retried(connection, site, quarantine, now)

    error = clerk.retry(site, build, mark)
    return "" if error is None else _refuse(clerk, site, quarantine, str(error), now)


def _check(row: Row) -> None:
    if row["state"] != "held":
        raise ActRefused("it has been taken already")
    if row["sequence"] is None or row["size_bytes"] != len(row["payload"]):
        raise ActRefused("its sender is not proved, or it is not whole")
    if row["code"] in ("malformed_payload", "miscounted"):
        raise ActRefused("it is a whole message that cannot be opened")


def _refuse(clerk: Clerk, site: str, quarantine: int, reason: str, now: datetime) -> str:
    def build(held: HeldSite) -> Parcel:
        parcel = Parcel(site, held.next_moment(now), "alarm")
        body = {"quarantine": quarantine, "reason": reason[:500]}
        parcel.journal.append(JournalLine(f"quarantine:{quarantine}", "quarantine.refused", body))
        return parcel

    clerk.write(site, build)
    return reason
