"""Who may do what in the database: its roles, their rights on each table, and row security between sites.

One table says it (`RIGHTS`); `raise_wall` makes the database agree, after every migration and restore.

- the owner (whom the hub's own address names): migrations, partitions, retention, backup. Bound by no wall.
- `intake`: the worker. It `COPY`s, so it stands outside row security; no right on persons, contacts, accounts.
- `api`, `chores`: bound by row security with a stated area (`area.py`); `chores` reads contacts.
- `report`, `readonly`: only look, bound by row security, and their area is always a list of sites.

Partitions and chunks have no policy of their own. A partition is made without rights for anybody; a chunk,
which TimescaleDB makes with the rights of its table, stands in a schema that only the owner may enter
(`migrations/*_chunk.sql`). So both are closed from the moment that they are there; reading through the table
asks for the rights of the table alone.

A role's name is the owner's and the role's (`sanfang_api`), so that two owners in one cluster keep apart.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hub.domain.error import HubError
from hub.store.database import Connection

PASSWORDS: Final = "database-roles.json"
"""In the hub's data folder, mode 0600."""
ROLES: Final = ("intake", "api", "chores", "report", "readonly")
_WORDS: Final = {"S": "SELECT", "I": "INSERT", "U": "UPDATE", "D": "DELETE"}

Rights = tuple[str, str, str, str, str]
"""Of intake, api, chores, report, readonly: letters of SELECT, INSERT, UPDATE, DELETE."""

_STATE: Final[Rights] = ("SIUD", "SIUD", "SIUD", "S", "S")
"""What alarms, hazards, incidents are made of."""
_PLACE: Final[Rights] = ("S", "SIUD", "S", "S", "S")
"""What the school enters: places, devices, posts, the roster."""
_ID: Final[Rights] = ("S", "SIUD", "S", "S", "")
"""The same about persons, by their ids."""
_NAME: Final[Rights] = ("", "SIUD", "S", "", "")
"""Names and contacts."""
_ACCOUNT: Final[Rights] = ("", "SIUD", "S", "", "")
_SECRET: Final[Rights] = ("", "SIUD", "", "", "")
_WORK: Final[Rights] = ("SIUD", "S", "S", "S", "S")
"""What only the worker writes."""
_APPENDED: Final[Rights] = ("SI", "SI", "SI", "S", "S")
"""Nobody but the owner, who prunes, changes or takes out a row."""

RIGHTS: Final[Mapping[str, Rights]] = {
    "site": _PLACE,
    "site_version": ("", "SID", "", "", ""),  # devices' parameters may hold what is not everybody's
    "zone": _PLACE,
    "edge": ("SU", "SIUD", "S", "", ""),  # its secret
    "invite": ("", "SIUD", "", "", ""),
    "device": _PLACE,
    "post": _PLACE,
    "calendar": _PLACE,
    "calendar_span": _PLACE,
    "calendar_day": _PLACE,
    "floorplan": ("", "SIUD", "", "S", "S"),
    "staffing": _PLACE,
    "mode": ("S", "SIUD", "SIUD", "S", "S"),
    "shift": _ID,
    "absence": _ID,
    "substitution": _ID,
    "appointment": _ID,
    "qualification": _ID,
    "responsibility": _ID,
    "committee": _ID,
    "committee_member": _ID,
    "handover": _ID,
    "credential": _SECRET,
    "pseudonym_key": ("SIU", "SIU", "", "", ""),
    "person": _NAME,
    "contact": _NAME,
    "account": _ACCOUNT,
    "account_grant": _ACCOUNT,
    "account_invitation": _SECRET,
    "api_token": _SECRET,
    "known_browser": _SECRET,
    "login_failure": _SECRET,
    "passkey": _SECRET,
    "phone": _ACCOUNT,
    "recovery_code": _SECRET,
    "session": ("", "SIUD", "SD", "", ""),
    "setup_token": _SECRET,
    "totp": _SECRET,
    "idempotency": ("", "SIUD", "D", "", ""),
    "alarm": _STATE,
    "alarm_evidence": _STATE,
    "hazard": _STATE,
    "incident": _STATE,
    "incident_step": _STATE,
    "command": _STATE,
    "counter": _STATE,
    "journal": _APPENDED,
    "journal_head": ("SIU", "SIU", "SIU", "S", "S"),
    "journal_anchor": ("", "S", "S", "S", "S"),
    "cursor": _WORK,
    "tombstone": _WORK,
    "series": _WORK,
    "latest": _WORK,
    "condition": _WORK,
    "history": _WORK,
    "checkpoint": _WORK,
    "quarantine": ("SIUD", "SU", "SU", "S", "S"),
    "readings": ("SI", "S", "S", "S", "S"),
    "events": ("SI", "S", "S", "S", "S"),
    "rollup": ("S", "S", "S", "S", "S"),
    "rollup_mark": ("S", "S", "S", "S", "S"),
    "liveness": ("SIUD", "SIUD", "SIUD", "S", "S"),
    "reader_cursor": ("SIU", "S", "SIUD", "S", "S"),  # what of people's acts the worker has taken in
    "reader_state": ("", "SU", "SIUD", "S", "S"),
    "dead_letter": ("", "SUD", "SIUD", "S", "S"),
    "store": ("S", "S", "S", "S", "S"),
    "migration": ("S", "S", "S", "S", "S"),
}
"""Every table. One that is not here is nobody's but the owner's, and a test says so."""

NOTHING: Final[Rights] = ("", "", "", "", "")

OPEN: Final = frozenset({"account_grant", "phone", "liveness"})
"""Tables with a site that have no policy: accounts are asked for before anybody has an area, and signs of life
are of processes."""


class WallRefused(HubError):
    """The database's owner may not make the roles; the message says what a superuser runs once."""

    code = "roles_refused"


def role_name(owner: str, role: str) -> str:
    """What PostgreSQL calls a role."""
    return f"{owner}_{role}"


def dsn_as(dsn: str, role: str, passwords: Mapping[str, str]) -> str:
    """The same database as one of `ROLES`; with its password where there is one."""
    parameters = conninfo_to_dict(dsn)
    owner = str(parameters.pop("user", None) or getpass.getuser())
    parameters.pop("password", None)
    if role in passwords:
        parameters["password"] = passwords[role]
    return make_conninfo("", **{**parameters, "user": role_name(owner, role)})


def dsn_of(dsn: str, role: str, folder: Path) -> str:
    """`dsn_as` with the passwords that the hub keeps in its data folder."""
    return dsn_as(dsn, role, load_passwords(dsn, folder))


def load_passwords(dsn: str, folder: Path) -> dict[str, str]:
    """The roles' passwords: made once, kept in a file that only the hub's user can read. None where the owner
    has none himself: then the database asks nobody (the embedded one, on its loopback). Raises WallRefused.
    """
    if not conninfo_to_dict(dsn).get("password"):
        return {}
    file = folder / PASSWORDS
    try:
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            fresh = file.with_name(f".{file.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                json.dump({role: secrets.token_urlsafe(24) for role in ROLES}, out)
            with contextlib.suppress(FileExistsError):
                os.link(fresh, file)
            fresh.unlink()
        told = json.loads(file.read_text(encoding="utf-8"))
        return {role: str(told[role]) for role in ROLES}
    except OSError as error:
        raise WallRefused(f"{file}: {error.strerror}; the hub must be able to read and write it") from None
    except (ValueError, KeyError, TypeError):
        raise WallRefused(f"{file}: is damaged; delete it and start the hub: it makes new passwords") from None


def raise_wall(connection: Connection, passwords: Mapping[str, str] | None = None) -> None:
    """Make roles, rights and policies what this file says. By the owner, under the migration lock, in a
    transaction of the caller's or none. Raises WallRefused.
    """
    owner = connection.info.user
    try:
        _make_roles(connection, owner, passwords or {})
    except psycopg.errors.InsufficientPrivilege as error:
        raise WallRefused(
            f"the database's user {owner} may not make roles ({str(error).strip()}); as a superuser run once:"
            f" ALTER ROLE {owner} CREATEROLE BYPASSRLS"
        ) from None
    everybody = sql.SQL(", ").join(sql.Identifier(role_name(owner, role)) for role in ROLES)
    orders = [
        sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {}").format(everybody),
        sql.SQL("REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, {}").format(everybody),
        sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(everybody),
        sql.SQL("REVOKE ALL ON FUNCTION account_access(text) FROM PUBLIC"),
        sql.SQL("GRANT EXECUTE ON FUNCTION account_access(text) TO {}").format(
            sql.Identifier(role_name(owner, "api"))
        ),
    ]
    for table, has_site, walled in connection.execute(_TABLES).fetchall():
        for role, letters in zip(ROLES, RIGHTS.get(table, NOTHING), strict=True):
            if letters:
                words = sql.SQL(", ").join(sql.SQL(_WORDS[letter]) for letter in letters)
                grantee = sql.Identifier(role_name(owner, role))
                orders.append(sql.SQL("GRANT {} ON {} TO {}").format(words, sql.Identifier(table), grantee))
        if has_site and table not in OPEN and not walled:
            orders.append(_POLICY.format(table=sql.Identifier(table)))
    with connection.transaction():
        connection.execute(sql.SQL("; ").join(orders))


_POLICY: Final = sql.SQL(
    "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; CREATE POLICY wall ON {table}"
    " USING ((SELECT area_every()) OR site IN (SELECT unnest(area_sites())))"
)
"""Measured with a million rows of 500 sites: it costs nothing on a page of 200 rows and keeps the index."""
_TABLES: Final = (
    "SELECT c.relname, EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'site'"
    " AND NOT a.attisdropped),"
    " c.relrowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'wall')"
    " FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
    " AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY 1"
)


def _make_roles(connection: Connection, owner: str, passwords: Mapping[str, str]) -> None:
    known = {
        str(row[0])
        for row in connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)",
            ([role_name(owner, role) for role in ROLES],),
        )
    }
    for role in ROLES:
        name = sql.Identifier(role_name(owner, role))
        if role_name(owner, role) not in known:
            # Two databases of one cluster may be migrated at once.
            connection.execute(
                sql.SQL(
                    "DO $$ BEGIN CREATE ROLE {} LOGIN {} NOINHERIT;"
                    " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
                ).format(name, sql.SQL("BYPASSRLS" if role == "intake" else "NOBYPASSRLS"))
            )
        if role in passwords:
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(passwords[role])))
