"""Answers that were given under an Idempotency-Key, so that an act sent twice is done once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from hub.domain.error import InvalidAct
from hub.store.database import Connection, fetch_one
from hub.store.journal import jsonb

KEPT_FOR: Final = timedelta(hours=24)


def find_answer(connection: Connection, account: str, key: str, request: str) -> Mapping[str, Any] | None:
    """The answer given before; raises InvalidAct where the key was used for something else."""
    row = fetch_one(
        connection,
        "SELECT request, answer FROM idempotency WHERE account = %s AND key = %s",
        (account, key),
    )
    if row is None:
        return None
    if row["request"] != request:
        raise InvalidAct("Idempotency-Key: was used for another request; make a new one")
    answer: Mapping[str, Any] = row["answer"]
    return answer


def keep_answer(
    connection: Connection, account: str, key: str, request: str, answer: Mapping[str, Any], at: datetime
) -> None:
    """Keep an answer for a day, in the transaction that did the act."""
    # Others clean up at the same time, from other sites' turns: nobody waits for anybody here.
    connection.execute(
        "DELETE FROM idempotency WHERE (account, key) IN (SELECT account, key FROM idempotency"
        " WHERE at < %s ORDER BY at LIMIT 100 FOR UPDATE SKIP LOCKED)",
        (at - KEPT_FOR,),
    )
    connection.execute(
        "INSERT INTO idempotency (account, key, request, answer, at) VALUES (%s, %s, %s, %s, %s)",
        (account, key, request, jsonb(answer), at),
    )
