"""The journal's chain: each row seals the one before it, by a formula that anybody can recompute."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone

from hub.domain.chain import canonical, hash_row
from hub.store.database import connect, fetch_all, site_turn, transaction
from hub.store.journal import JournalLine, append_journal, append_to_each, read_journal

AT = datetime(2026, 3, 1, 8, 0, 0, 120_000, tzinfo=UTC)


def test_each_row_seals_the_one_before_it(database: str) -> None:
    beijing = timezone(timedelta(hours=8))
    said = [
        (AT, "system:worker", "alarm:1", "alarm.raised", {"b": "值班室", "a": [1, 2.5, None, True]}),
        ((AT + timedelta(seconds=1)).astimezone(beijing), "7", "alarm:1", "alarm.acknowledged", {}),
        (AT + timedelta(seconds=1), "system:chores", "hazard:2", "hazard.reported", {"due_at": AT}),
    ]
    with connect(database, application="test") as connection:
        for at, actor, subject, kind, body in said:
            with transaction(connection):
                site_turn(connection, "school")
                append_journal(connection, "school", at=at, actor=actor, subject=subject, kind=kind, body=body)
        rows = fetch_all(connection, "SELECT * FROM journal ORDER BY seq")
        head = fetch_all(connection, "SELECT * FROM journal_head")
    assert [row["seq"] for row in rows] == [1, 2, 3]
    sealed = b"\0" * 32
    for row in rows:
        assert row["prev_hash"] == sealed
        body = json.dumps(row["body"], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        at = row["at"].astimezone(UTC).isoformat(timespec="microseconds")
        fields = (row["site"], str(row["seq"]), at, row["actor"], row["subject"], row["kind"], body)
        sealed = hashlib.sha256(sealed + "\x1f".join(fields).encode()).digest()
        assert row["hash"] == sealed, row["seq"]
    assert (head[0]["seq"], head[0]["hash"]) == (3, sealed)


def test_a_site_is_numbered_and_chained_by_itself(database: str) -> None:
    with connect(database, application="test") as connection:
        for site in ("east", "west", "east"):
            with transaction(connection):
                site_turn(connection, site)
                append_journal(connection, site, at=AT, actor="7", subject="hub", kind="x.y", body={})
        assert [row["seq"] for row in read_journal(connection, "east", after=0)] == [1, 2]
        assert [row["seq"] for row in read_journal(connection, "west", after=0)] == [1]
        first = fetch_all(connection, "SELECT DISTINCT prev_hash FROM journal WHERE seq = 1")
    assert [row["prev_hash"] for row in first] == [b"\0" * 32]


def test_the_same_row_for_many_sites_is_each_ones_own(database: str) -> None:
    line = JournalLine(AT, "7", "account:7", "session.opened", {"station": "值班室"})
    sites = ["north", "east", "west"]
    with connect(database, application="test") as connection:
        for told in (["east"], sites, []):
            with transaction(connection):
                site_turn(connection, *told)
                append_to_each(connection, told, line)
        with transaction(connection):
            site_turn(connection, "east")
            append_journal(connection, "east", at=AT, actor="7", subject="hub", kind="x.y", body={})
        rows = fetch_all(connection, "SELECT * FROM journal ORDER BY site, seq")
        heads = fetch_all(connection, "SELECT site, seq, hash FROM journal_head ORDER BY site")
    links = dict.fromkeys(sites, b"\x00" * 32)
    for row in rows:
        assert row["prev_hash"] == links[row["site"]]
        links[row["site"]] = hash_row(
            row["prev_hash"],
            row["site"],
            row["seq"],
            row["at"],
            row["actor"],
            row["subject"],
            row["kind"],
            canonical(row["body"]),
        )
        assert row["hash"] == links[row["site"]]
    assert [(row["site"], row["seq"]) for row in heads] == [("east", 3), ("north", 1), ("west", 1)]
    assert {row["site"]: row["hash"] for row in heads} == links
