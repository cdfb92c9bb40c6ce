"""The table of what is kept of persons against the schema and the page."""

from __future__ import annotations

from pathlib import Path

from hub.domain.permission import PERMISSIONS
from hub.domain.personal import NAMING, PERSONAL, embed
from hub.store.database import connect, fetch_all

PAGE = Path(__file__).resolve().parents[2] / "docs" / "people.md"
ALONE = ("person", "contact", "qualification", "credential", "absence", "substitution")
"""Tables of nothing but persons: each column has a purpose, keys aside."""


def test_the_page_says_what_the_table_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert embed(page) == page, "run: python -m hub.domain.personal docs/people.md"
    assert {each.permission for each in PERSONAL} - {"-"} <= PERMISSIONS.keys()


def test_every_table_that_names_persons_says_why(database: str) -> None:
    with connect(database, application="test") as connection:
        rows = fetch_all(
            connection,
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'",
        )
    columns: dict[str, set[str]] = {}
    for row in rows:
        columns.setdefault(row["table_name"], set()).add(row["column_name"])
    said: dict[str, set[str]] = {}
    for each in PERSONAL:
        assert set(each.columns) <= columns.get(each.table, set()), f"{each.table}: no such column"
        said.setdefault(each.table, set()).update(each.columns)
    naming = {table for table, names in columns.items() if names & set(NAMING)}
    assert naming <= said.keys(), "say in hub/domain/personal.py what these tables keep of persons, and why"
    for table in ALONE:
        rest = columns[table] - said[table] - {"site", "person"}
        assert not rest, f"{table}: say in hub/domain/personal.py why {', '.join(sorted(rest))} is kept"
