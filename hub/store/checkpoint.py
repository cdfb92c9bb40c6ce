"""The rule engine's checkpoints: one small row per (rule, subject), each naming its position."""

from __future__ import annotations

from collections.abc import Sequence

from hub.domain.judgement import Checkpoint
from hub.store.column import documents, numbers, texts
from hub.store.database import Connection, fetch_all
from hub.store.journal import write_json


def load_checkpoints(connection: Connection, site: str) -> list[Checkpoint]:
    """All checkpoints of a site."""
    rows = fetch_all(
        connection,
        "SELECT rule, subject, position, state FROM checkpoint WHERE site = %s ORDER BY rule, subject",
        (site,),
    )
    return [Checkpoint(**row) for row in rows]


def save_checkpoints(connection: Connection, site: str, checkpoints: Sequence[Checkpoint]) -> None:
    """Write what the engine's `changed()` gave; a state of None forgets the row."""
    if not checkpoints:
        return
    gone = [checkpoint for checkpoint in checkpoints if checkpoint.state is None]
    kept = [checkpoint for checkpoint in checkpoints if checkpoint.state is not None]
    if gone:
        connection.execute(
            "DELETE FROM checkpoint c USING unnest(%s::text[], %s::text[]) AS g (rule, subject)"
            " WHERE c.site = %s AND c.rule = g.rule AND c.subject = g.subject",
            ([each.rule for each in gone], [each.subject for each in gone], site),
        )
    if kept:
        connection.execute(
            "INSERT INTO checkpoint (site, rule, subject, position, state)"
            " SELECT %s, k.rule, k.subject, k.position, k.state"
            " FROM unnest(%s, %s, %s, %s) AS k (rule, subject, position, state)"
            " ON CONFLICT (site, rule, subject) DO UPDATE"
            " SET position = EXCLUDED.position, state = EXCLUDED.state",
            (
                site,
                texts(each.rule for each in kept),
                texts(each.subject for each in kept),
                numbers(each.position for each in kept),
                documents(write_json(each.state) for each in kept),
            ),
        )


def rule_holds(connection: Connection, site: str, rule: str, subject: str) -> bool:
    """Does a rule's state say that what it looks for holds at that subject (device, or device:address)?"""
    device, _, address = subject.partition(":")
    row = connection.execute(
        "SELECT 1 FROM checkpoint WHERE site = %s AND rule = %s AND (state->>'holds')::boolean"
        " AND (subject = %s OR starts_with(subject, %s)) LIMIT 1",
        (site, rule, subject, f"{device}|{address}|"),
    ).fetchone()
    return row is not None
