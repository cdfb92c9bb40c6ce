"""A card's number at a door reaches the database as a pseudonym, and nothing else of it does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier

from adapters.contract.message import Event
from adapters.contract.vocabulary import Lane
from hub.domain.pseudonym import make_pseudonym
from hub.intake.clerk import Clerk
from hub.intake.gate import Gate, Message
from hub.intake.inbox import Arrival
from hub.intake.run import open_run
from hub.intake.transaction import Court
from hub.rulebook.book import load_book
from hub.rules.engine import Engine
from hub.store.database import Connection, connect, fetch_all
from hub.store.person import pseudonym_secret
from hub.store.reading import prepare_connection
from hub.store.site import edge_keys
from tests.intake_scene import SENDER, SITE, event, furnish, items_frame, pack_event

CONFIG = Path(__file__).parents[2] / "config"
BOOK = load_book(CONFIG / "rules", CONFIG / "plans")
CARD = "0047112233"


@pytest.fixture
def connection(any_database: str) -> Iterator[Connection]:
    furnish(any_database)
    with prepare_connection(connect(any_database, application="test")) as opened:
        yield opened


def denied(holder: str) -> Event:
    """A door that refuses a card, with what the reader said."""
    said = f'{{"type":"denied","holder":"{holder}"}}'.encode()
    return event("access.denied", "gate-door", attributes={"holder": holder, "reason": "expired"}, raw=said)


def send(connection: Connection, *holders: str) -> None:
    """Hand a door's events to a clerk as the worker does."""
    clerk = Clerk(connection, Court(BOOK, lambda model: Engine(BOOK, model)), lambda sender: None)
    clerk.hold(SITE, datetime.now(UTC))
    gate = Gate(lambda: edge_keys(connection))
    items = [pack_event(denied(holder)) for holder in holders]
    message = gate.admit(Arrival(SENDER, "alarm", items_frame(Lane.ALARM, 1, items), datetime.now(UTC)))
    assert isinstance(message, Message)
    clerk.take_runs([open_run(message)], datetime.now(UTC))


def tables_with(connection: Connection, text: str) -> list[str]:
    """The tables of the schema in which some row, written out, contains the text."""
    names = fetch_all(
        connection,
        "SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') ORDER BY 1",
    )
    found = []
    for name in (row["name"] for row in names):
        # bytea is written as hex, so that what a device said is looked for in that form as well.
        query = SQL("SELECT 1 FROM {} AS row WHERE row::text LIKE %s OR row::text LIKE %s LIMIT 1")
        sought = (f"%{text}%", f"%{text.encode().hex()}%")
        if connection.execute(query.format(Identifier(name)), sought).fetchone():
            found.append(name)
    return found


def test_the_number_is_nowhere_and_the_same_card_is_the_same_holder(connection: Connection) -> None:
    send(connection, CARD, f" {CARD[:4]} {CARD[4:]}", "0047112234")
    rows = fetch_all(
        connection, "SELECT attributes, raw FROM events WHERE kind = 'access.denied' ORDER BY sequence"
    )
    holders = [row["attributes"]["holder"] for row in rows]
    assert holders[0] == make_pseudonym(pseudonym_secret(connection, SITE), CARD)
    assert holders[0] == holders[1] != holders[2]
    assert [row["attributes"]["reason"] for row in rows] == ["expired"] * 3
    assert {bytes(row["raw"] or b"") for row in rows} == {b""}, "the device's own words name the card"
    assert tables_with(connection, CARD) == []
    assert "events" in tables_with(connection, holders[0]), "what is there is found by the same search"
