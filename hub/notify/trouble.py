"""A reader's trouble becomes a hazard at its site: somebody has to mend the way to the outside."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from hub.dispatch.broken import OWNER_POST
from hub.dispatch.verdict import apply_verdicts
from hub.domain.hazard import Grade
from hub.domain.judgement import Evidence, OpenHazard, RuleRef
from hub.rulebook.book import RuleBook
from hub.store.database import Connection, Row, site_turn, transaction
from hub.store.reader import ReaderState

CONDITION: Final = "notify.undelivered"
_RULE: Final = RuleRef("notify", 1)
_DUE_IN: Final = timedelta(days=1)


def tell_trouble(
    connection: Connection, state: ReaderState, row: Row, reason: str, now: datetime, *, parked: bool
) -> None:
    """Open the reader's hazard, or add to it. `parked`: nothing gets through; else one row was passed over."""
    verdict = OpenHazard(
        rule=_RULE,
        subject=state.reader,
        condition=CONDITION,
        evidence=Evidence(
            id=f"{state.reader}#{row['seq']}",
            observed_at=now,
            recorded_at=now,
            device=None,
            address=None,
            zone=None,
            kind=CONDITION,
            values={"seq": row["seq"], "row_kind": row["kind"], "reason": reason[:500], "parked": parked},
        ),
        grade=Grade.GENERAL.value,
        due_in=_DUE_IN,
        title={
            "zh": f"外发通知“{state.reader}”{'已停发' if parked else '有记录被拒收'}",
            "en": f"Notices through {state.reader} {'have stopped' if parked else 'were refused'}",
        },
        owner_post=OWNER_POST,
    )
    with transaction(connection):
        site_turn(connection, state.site)
        apply_verdicts(connection, state.site, [verdict], at=now, book=RuleBook())


def is_own_trouble(reader: str, row: Row) -> bool:
    """Whether a row is about this reader's own trouble: told through itself it could go round for ever."""
    body: dict[str, Any] = row["body"]
    return bool(body.get("subject") == reader and body.get("condition") == CONDITION)
