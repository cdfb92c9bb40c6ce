"""Connections, transactions and turns. The only door to PostgreSQL; psycopg's errors end here.

Every transaction that writes a site's domain state begins with `site_turn`, and takes no row lock
before it (design §4, "Taking turns"): so the worker and people's acts cannot deadlock.

Every connection has an area (`area.py`): `borrow(pool, [site])` says whose rows the block may see, and what
it did not say it does not see, whatever the query forgot. The pool takes the area off again at the return.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql
from psycopg.abc import RV, PQGen
from psycopg.rows import TupleRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from hub.domain.error import DataRefused, QueryTooSlow, StoreBusy, StoreUnavailable
from hub.store.area import NO_SITE, SETTING, Area, write_area

Connection = psycopg.Connection[TupleRow]
Row = dict[str, Any]
Pool = ConnectionPool[Connection]

_KEEPALIVE: dict[str, Any] = {
    # A half-open connection is found within 10 s (design §4) by this end; `limit_silence` is the server's.
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


_PATIENCE_S: Final = 5.0
"""A statement that may take 2 s has its answer by then, or the line is dead."""
_WORKER_PATIENCE_S: Final = 10.0


class PatientConnection(psycopg.Connection[TupleRow]):
    """A connection whose waits have an end. A line that swallows everything while something in between
    goes on answering for it (a proxy, a firewall) is seen by no keep-alive; only a deadline of ours ends it.
    """

    patience_s: float | None = None
    """How long one answer may take; None: as long as it takes (migrations, backups, exports)."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        if timeout is not None or self.patience_s is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience_s)
        except psycopg.errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {self.patience_s:g} s") from None


def connect(dsn: str, *, application: str, area: Area = NO_SITE) -> Connection:
    """One connection of its own, in autocommit; transactions are opened by `transaction`. Its area lasts as
    long as it does, and binds the roles that row security holds for (not the owner, not intake).

    Raises StoreUnavailable.
    """
    with _store_errors():
        connection = PatientConnection.connect(dsn, autocommit=True, application_name=application, **_KEEPALIVE)
        connection.execute("SET TIME ZONE 'UTC'")
        if area is not NO_SITE:
            set_area(connection, area)
        return connection


def set_area(connection: Connection, area: Area) -> None:
    """From now on the connection sees the rows of these sites."""
    connection.execute("SELECT set_config(%s, %s, false)", (SETTING, write_area(area)))


def _be_patient(connection: Connection, patience_s: float = _PATIENCE_S) -> None:
    if isinstance(connection, PatientConnection):
        connection.patience_s = patience_s


def limit_statements(connection: Connection) -> Connection:
    """The limits of `open_pool` for a connection of its own (every role's but intake's)."""
    connection.execute(
        "SELECT set_config('statement_timeout', '2000', false), set_config('lock_timeout', '1900', false),"
        " set_config('idle_in_transaction_session_timeout', '1000', false)"
    )
    _be_patient(connection)
    return connection


def limit_silence(connection: Connection) -> Connection:
    """The limits of a worker's connection: the server ends it, and so frees its sites, within 10 s of its
    falling silent, whatever the cause: a stopped process, a host that vanished, a line that swallows
    everything. A worker speaks ten times a second; what it had not committed by then it cannot commit.
    """
    connection.execute(
        "SELECT set_config(name, '8s', false) FROM unnest(ARRAY['idle_session_timeout',"
        " 'idle_in_transaction_session_timeout', 'transaction_timeout']) AS name"
        # PostgreSQL 17 has the last one, which also ends a COPY that its sender left in the middle.
        " WHERE name IN (SELECT s.name FROM pg_settings s)"
    )
    _probe_from_server(connection)
    _be_patient(connection, _WORKER_PATIENCE_S)
    return connection


def limit_role(connection: Connection, silent_s: int = 8) -> Connection:
    """The limits of who holds a role (`hold_role`): those of every role, and the server ends the connection
    when it has said nothing for so long, so that the role is free for a successor. A line that swallows its
    end would keep it for ever, and a school without escalations.
    """
    limit_statements(connection)
    connection.execute(
        "SELECT set_config(name, %s, false) FROM unnest(ARRAY['idle_session_timeout']) AS name"
        " WHERE name IN (SELECT s.name FROM pg_settings s)",
        (f"{silent_s}s",),
    )
    _probe_from_server(connection)
    return connection


def _probe_from_server(connection: Connection) -> None:
    """A peer that vanished is noticed by the server within 8 s, too."""
    connection.execute(
        "SELECT set_config('tcp_keepalives_idle', '3', false), set_config('tcp_keepalives_count', '2', false),"
        " set_config('tcp_keepalives_interval', '2', false), set_config('tcp_user_timeout', '8000', false)"
    )


def open_pool(dsn: str, *, application: str, size: int) -> Pool:
    """A pool for people's requests: a statement may take 2 s, a lock a little less (so that who waits for
    others is told so), idling inside a transaction 1 s, so that nobody can hold a school's alarms up. Opens
    in the background: a database that is away does not keep the program from starting. `borrow` takes from it.
    """
    return ConnectionPool(
        dsn,
        connection_class=PatientConnection,
        configure=_be_patient,
        min_size=1,
        max_size=size,
        open=True,
        timeout=2.0,
        reconnect_timeout=0,
        check=_enter_area,
        reset=_leave_area,
        kwargs={
            "autocommit": True,
            "application_name": application,
            "options": (
                "-c timezone=UTC -c statement_timeout=2000 -c lock_timeout=1900"
                " -c idle_in_transaction_session_timeout=1000"
            ),
            **_KEEPALIVE,
        },
    )


_wanted: ContextVar[str] = ContextVar("area", default="")
"""The area that the connection being borrowed is to have: the pool checks each in its borrower's thread."""


def _enter_area(connection: Connection) -> None:
    # The pool's check whether the connection lives is an exchange anyway; so this costs none.
    connection.execute("SELECT set_config(%s, %s, false)", (SETTING, _wanted.get()))


def _leave_area(connection: Connection) -> None:
    # In a thread of the pool's own, after the request has its answer. What cannot be reset is thrown away.
    connection.execute("SELECT set_config(%s, '', false)", (SETTING,))


@contextmanager
def borrow(pool: Pool, area: Area) -> Iterator[Connection]:
    """A connection of the pool that sees the rows of the area's sites, and no others: `[words.site]`, or
    `EVERY_SITE` or `NO_SITE` of area.py. Raises StoreUnavailable.
    """
    token = _wanted.set(write_area(area))
    try:
        with _store_errors():
            lent = pool.getconn()
    finally:
        _wanted.reset(token)
    try:
        with _store_errors(), lent:
            yield lent
    finally:
        pool.putconn(lent)


@contextmanager
def transaction(connection: Connection) -> Iterator[Connection]:
    """All or nothing; inside another transaction a savepoint. Raises StoreUnavailable when the
    database went away; then nothing was changed.
    """
    with _store_errors(), connection.transaction():
        yield connection


@contextmanager
def savepoint(connection: Connection) -> Iterator[Connection]:
    """A transaction inside a transaction that tells poison from outage: wrong data raises
    DataRefused and only what happened inside is undone; a lost database raises StoreUnavailable.
    """
    try:
        with transaction(connection):
            yield connection
    except _REFUSED as error:
        raise DataRefused(str(error).strip() or type(error).__name__) from error


@contextmanager
def reading(connection: Connection) -> Iterator[Connection]:
    """A transaction whose queries all see one moment of the database; it writes nothing."""
    with transaction(connection):
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield connection


@contextmanager
def watched(connection: Connection) -> Iterator[Connection]:
    """Queries outside a transaction, on a connection of one's own; raises StoreUnavailable."""
    with _store_errors():
        yield connection


def listen(connection: Connection, channel: str) -> None:
    """Subscribe this connection, which is its owner's alone, to NOTIFY on a channel."""
    with _store_errors():
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))


def await_notices(connection: Connection, timeout_s: float) -> set[str]:
    """The payloads of the notices that came, as soon as there is one; empty after `timeout_s`."""
    with _store_errors():
        return {notice.payload for notice in connection.notifies(timeout=timeout_s, stop_after=1)}


def site_turn(connection: Connection, *sites: str) -> None:
    """Take the turn of each site, in sorted order, until the transaction ends. A connection that sees every
    site sees these alone until then: who has a school's turn cannot touch another's by mistake.
    """
    locks = [lock_number(f"turn:{site}") for site in sorted(sites)]
    connection.execute(
        "SELECT pg_advisory_xact_lock(lock), CASE WHEN current_setting(%(name)s, true) = '*'"
        " THEN set_config(%(name)s, %(area)s, true) END FROM unnest(%(locks)s::bigint[]) AS lock",
        {"locks": locks, "name": SETTING, "area": write_area(sites)},
    )


def hold_site(connection: Connection, site: str) -> bool:
    """Become the site's worker for as long as this connection lives; False if another one is."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (lock_number(f"worker:{site}"),)).fetchone()
    return bool(row and row[0])


def hold_role(connection: Connection, role: str) -> bool:
    """Hold a role of which there is one (chores) for as long as this connection lives."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (lock_number(f"role:{role}"),)).fetchone()
    return bool(row and row[0])


def lock_number(name: str) -> int:
    """A 63-bit number for an advisory lock."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def fetch_all(connection: Connection, query: LiteralString, parameters: Any = None) -> list[Row]:
    """All rows as dicts."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()


def fetch_one(connection: Connection, query: LiteralString, parameters: Any = None) -> Row | None:
    """The first row as a dict, or None."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchone()


def next_number(connection: Connection, site: str, name: str) -> int:
    """The next number of a site's counter; call it inside the site's turn."""
    row = connection.execute(
        "INSERT INTO counter (site, name, value) VALUES (%s, %s, 1)"
        " ON CONFLICT (site, name) DO UPDATE SET value = counter.value + 1 RETURNING value",
        (site, name),
    ).fetchone()
    if row is None:
        raise AssertionError("an upsert with RETURNING gives a row")
    return int(row[0])


_AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    psycopg.errors.AdminShutdown,
)


_REFUSED = (
    psycopg.DataError,
    psycopg.IntegrityError,
    # An index key or a row that is too large: class 54, which psycopg files under OperationalError.
    psycopg.errors.ProgramLimitExceeded,
)


@contextmanager
def _store_errors() -> Iterator[None]:
    """What says "not now" (connection lost, disk full, time-out, lock) becomes StoreUnavailable, or that one
    of its kinds which says what it was; what says "your data is wrong" passes: it is poison, and its caller
    isolates it. It is built into `transaction`, `savepoint` and `borrow`; a loop over single statements is
    `watched`.
    """
    try:
        yield
    except psycopg.errors.ProgramLimitExceeded:
        raise
    except psycopg.errors.QueryCanceled as error:
        raise QueryTooSlow(str(error).strip()) from error
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
        raise StoreBusy(str(error).strip()) from error
    except _AWAY as error:
        raise StoreUnavailable(
            f"the database did not answer: {str(error).strip() or type(error).__name__}"
        ) from error
