"""The rows of persons: names, contacts, posts, qualifications, cards by pseudonym, committees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.domain.staffing import Qualified
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.journal import jsonb


@dataclass(frozen=True, slots=True)
class PersonSheet:
    """One person as he is written: what the row and the tables beside it shall hold."""

    name: str
    account: str | None = None
    active: bool = True
    contacts: Sequence[Mapping[str, Any]] | None = ()
    """In the order of use: kind, value. None: as they are."""
    posts: Sequence[str] = ()
    qualifications: Sequence[Mapping[str, Any]] = ()
    """kind, number, issued_on, expires_on."""


def has_persons(connection: Connection, site: str) -> bool:
    """Whether the site has any person, erased ones too."""
    return connection.execute("SELECT 1 FROM person WHERE site = %s LIMIT 1", (site,)).fetchone() is not None


def list_persons(connection: Connection, site: str) -> list[Row]:
    """Every person: person, name, account, active, erased_at; by id."""
    return fetch_all(
        connection,
        "SELECT person, name, account, active, erased_at FROM person WHERE site = %s ORDER BY person",
        (site,),
    )


def find_person(connection: Connection, site: str, person: str) -> Row | None:
    """One person: person, name, account, active, erased_at."""
    return fetch_one(
        connection,
        "SELECT person, name, account, active, erased_at FROM person WHERE site = %s AND person = %s",
        (site, person),
    )


def able_persons(connection: Connection, site: str) -> frozenset[str]:
    """Those who can stand somewhere or answer for something: active and not erased."""
    rows = connection.execute(
        "SELECT person FROM person WHERE site = %s AND active AND erased_at IS NULL", (site,)
    )
    return frozenset(row[0] for row in rows)


def person_of_account(connection: Connection, site: str, account: str) -> str | None:
    """The person whose log-in this is; None where nobody said."""
    row = connection.execute(
        "SELECT person FROM person WHERE site = %s AND account = %s", (site, account)
    ).fetchone()
    return None if row is None else str(row[0])


def contacts_of(connection: Connection, site: str, person: str | None = None) -> dict[str, list[Row]]:
    """Person -> contacts (kind, value) in the order of use; of one, or of all."""
    return _grouped(
        fetch_all(
            connection,
            "SELECT person, kind, value FROM contact WHERE site = %(site)s"
            " AND (%(person)s::text IS NULL OR person = %(person)s) ORDER BY person, ordinal",
            {"site": site, "person": person},
        )
    )


def posts_of(connection: Connection, site: str) -> dict[str, list[str]]:
    """Person -> the posts that he holds."""
    found: dict[str, list[str]] = {}
    for person, post in connection.execute(
        "SELECT person, post FROM appointment WHERE site = %s ORDER BY person, post", (site,)
    ):
        found.setdefault(person, []).append(post)
    return found


def qualifications_of(connection: Connection, site: str, person: str | None = None) -> dict[str, list[Row]]:
    """Person -> qualifications: kind, number, issued_on, expires_on; of one, or of all."""
    return _grouped(
        fetch_all(
            connection,
            "SELECT person, kind, number, issued_on, expires_on FROM qualification WHERE site = %(site)s"
            " AND (%(person)s::text IS NULL OR person = %(person)s) ORDER BY person, kind",
            {"site": site, "person": person},
        )
    )


def load_qualified(connection: Connection, site: str) -> tuple[Qualified, ...]:
    """Who is certified for what, without the certificates' numbers."""
    rows = connection.execute(
        "SELECT person, kind, issued_on, expires_on FROM qualification WHERE site = %s ORDER BY person, kind",
        (site,),
    )
    return tuple(Qualified(*row) for row in rows)


def save_person(connection: Connection, site: str, person: str, sheet: PersonSheet) -> None:
    """Write a person whole: contacts, posts and qualifications become what the sheet says."""
    connection.execute(
        "INSERT INTO person (site, person, name, account, active) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (site, person) DO UPDATE SET name = EXCLUDED.name, account = EXCLUDED.account,"
        " active = EXCLUDED.active, erased_at = NULL",
        (site, person, sheet.name, sheet.account, sheet.active),
    )
    if sheet.contacts is not None:
        save_contacts(connection, site, person, sheet.contacts)
    connection.execute("DELETE FROM appointment WHERE site = %s AND person = %s", (site, person))
    connection.execute("DELETE FROM qualification WHERE site = %s AND person = %s", (site, person))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO appointment (site, person, post) VALUES (%s, %s, %s)",
            [(site, person, post) for post in dict.fromkeys(sheet.posts)],
        )
        cursor.executemany(
            "INSERT INTO qualification (site, person, kind, number, issued_on, expires_on)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [
                (
                    site,
                    person,
                    each["kind"],
                    each.get("number", ""),
                    each.get("issued_on"),
                    each.get("expires_on"),
                )
                for each in sheet.qualifications
            ],
        )


def save_contacts(
    connection: Connection, site: str, person: str, contacts: Sequence[Mapping[str, Any]]
) -> None:
    """A person's contacts, in the order of use, in place of those that there were."""
    connection.execute("DELETE FROM contact WHERE site = %s AND person = %s", (site, person))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO contact (site, person, ordinal, kind, value) VALUES (%s, %s, %s, %s, %s)",
            [
                (site, person, ordinal, each["kind"], each["value"])
                for ordinal, each in enumerate(contacts, start=1)
            ],
        )


def erase_person(connection: Connection, site: str, person: str, at: datetime) -> None:
    """Empty a person: the row keeps its id, which the journal and old incidents name, and nothing else."""
    key = {"site": site, "person": person, "at": at}
    for query in (
        "DELETE FROM contact WHERE site = %(site)s AND person = %(person)s",
        "DELETE FROM qualification WHERE site = %(site)s AND person = %(person)s",
        "DELETE FROM appointment WHERE site = %(site)s AND person = %(person)s",
        "DELETE FROM credential WHERE site = %(site)s AND person = %(person)s",
        "DELETE FROM committee_member WHERE site = %(site)s AND person = %(person)s",
        "DELETE FROM responsibility WHERE site = %(site)s AND person = %(person)s",
        "DELETE FROM absence WHERE site = %(site)s AND person = %(person)s",
        "DELETE FROM substitution WHERE site = %(site)s AND (person = %(person)s OR substitute = %(person)s)",
        "DELETE FROM shift WHERE site = %(site)s AND person = %(person)s",
        "UPDATE person SET name = '', account = NULL, active = false, erased_at = %(at)s"
        " WHERE site = %(site)s AND person = %(person)s",
    ):
        connection.execute(query, key)


def add_credential(connection: Connection, site: str, holder: str, person: str, at: datetime) -> str | None:
    """Give a card, by its pseudonym, to a person; returns whose it was before."""
    before = connection.execute(
        "SELECT person FROM credential WHERE site = %s AND holder = %s", (site, holder)
    ).fetchone()
    connection.execute(
        "INSERT INTO credential (site, holder, person, added_at) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (site, holder) DO UPDATE SET person = EXCLUDED.person, added_at = EXCLUDED.added_at",
        (site, holder, person, at),
    )
    return None if before is None else str(before[0])


def remove_credential(connection: Connection, site: str, holder: str) -> str | None:
    """Take a card away; returns whose it was."""
    row = connection.execute(
        "DELETE FROM credential WHERE site = %s AND holder = %s RETURNING person", (site, holder)
    ).fetchone()
    return None if row is None else str(row[0])


def resolve_holder(connection: Connection, site: str, holder: str) -> str | None:
    """Whose card a pseudonym is; None where nobody's."""
    row = connection.execute(
        "SELECT person FROM credential WHERE site = %s AND holder = %s", (site, holder)
    ).fetchone()
    return None if row is None else str(row[0])


def credentials_of(connection: Connection, site: str, person: str) -> list[Row]:
    """A person's cards: holder, added_at."""
    return fetch_all(
        connection,
        "SELECT holder, added_at FROM credential WHERE site = %s AND person = %s ORDER BY added_at, holder",
        (site, person),
    )


def pseudonym_secret(connection: Connection, site: str) -> bytes:
    """What the site's card numbers are hashed with; made when it is first asked for."""
    row = connection.execute("SELECT secret FROM pseudonym_key WHERE site = %s", (site,)).fetchone()
    if row is None:
        row = connection.execute(
            "INSERT INTO pseudonym_key (site, secret) VALUES (%s, sha256(decode(replace("
            "gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')))"
            " ON CONFLICT (site) DO UPDATE SET secret = pseudonym_key.secret RETURNING secret",
            (site,),
        ).fetchone()
    if row is None:
        raise AssertionError("an upsert with RETURNING gives a row")
    return bytes(row[0])


def list_committees(connection: Connection, site: str) -> list[Row]:
    """committee, name, members: [{person, seat}], chair first."""
    members: dict[str, list[Row]] = {}
    for row in fetch_all(
        connection,
        "SELECT committee, person, seat FROM committee_member WHERE site = %s ORDER BY committee,"
        " array_position(ARRAY['chair', 'deputy', 'secretary', 'member'], seat), person",
        (site,),
    ):
        members.setdefault(row.pop("committee"), []).append(row)
    rows = fetch_all(
        connection, "SELECT committee, name FROM committee WHERE site = %s ORDER BY committee", (site,)
    )
    return [{**row, "members": members.get(row["committee"], [])} for row in rows]


def save_committee(
    connection: Connection,
    site: str,
    committee: str,
    name: Mapping[str, str],
    members: Sequence[Mapping[str, Any]],
) -> None:
    """A committee with its members (person, seat), in place of those that there were."""
    connection.execute(
        "INSERT INTO committee (site, committee, name) VALUES (%s, %s, %s)"
        " ON CONFLICT (site, committee) DO UPDATE SET name = EXCLUDED.name",
        (site, committee, jsonb(name)),
    )
    connection.execute("DELETE FROM committee_member WHERE site = %s AND committee = %s", (site, committee))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO committee_member (site, committee, person, seat) VALUES (%s, %s, %s, %s)",
            [(site, committee, each["person"], each["seat"]) for each in members],
        )


def remove_committee(connection: Connection, site: str, committee: str) -> bool:
    """Dissolve a committee; whether there was one."""
    return (
        connection.execute(
            "DELETE FROM committee WHERE site = %s AND committee = %s", (site, committee)
        ).rowcount
        > 0
    )


def _grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.pop("person"), []).append(row)
    return found
