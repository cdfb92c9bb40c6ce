"""`sanfang db`: the hub's database by hand: its schema, its state, a backup, and back from one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from hub.domain.retention import Kept
    from hub.store.survey import Survey

app = typer.Typer(no_args_is_help=True, help="The hub's database: schema, state, backup, restore.")

Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="hub.yaml")]
_UNITS = ("B", "kB", "MB", "GB", "TB")
ACTOR = "system:restore"


@app.command("migrate")
def migrate(config: Config) -> None:
    """Bring the database to this program's schema. The hub does so itself when it starts."""
    with _faults():
        from hub.settings import load_settings
        from hub.store.migration import migrate as apply

        applied = apply(load_settings(config).database)
        typer.echo(
            f"applied: {', '.join(map(str, applied))}" if applied else "the schema is the newest already"
        )


@app.command("status")
def status(config: Config) -> None:
    """Say what is in the database, how long it is kept, how far its roll-ups are, when it was backed up."""
    with _faults():
        from hub.clock import utc_now
        from hub.settings import load_settings
        from hub.store.database import connect
        from hub.store.survey import survey

        settings = load_settings(config)
        connection = connect(settings.database, application="sanfang db")
        try:
            for line in describe(survey(connection), utc_now(), settings.retention.kept):
                typer.echo(line)
        finally:
            connection.close()


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; there must be no such file yet.")],
    config: Config,
) -> None:
    """Write everything into one file, while the hub goes on. Keep it where only you can read it."""
    with _faults():
        from importlib.metadata import version

        from hub.clock import utc_now
        from hub.settings import load_settings
        from hub.store.backup import back_up

        made = back_up(
            load_settings(config).database, file, at=utc_now(), software=f"sanfang {version('sanfang')}"
        )
        rows = sum(content.rows for content in made.contents.values())
        typer.echo(f"{file}: {rows} rows of schema {made.schema}, {_bytes(file.stat().st_size)}, mode 0600")
        typer.echo(
            "It holds the edges' root secrets and the password hashes: who has it can speak as any edge."
        )


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `sanfang db backup` wrote.")],
    config: Config,
) -> None:
    """Fill an EMPTY database from a backup, of any earlier schema and either layout: all of it or nothing."""
    with _faults():
        from hub.clock import utc_now
        from hub.settings import load_settings
        from hub.store.backup import restore as fill

        now = utc_now()
        made = fill(load_settings(config).database, file, at=now, actor=ACTOR)
        age = now - made.made_at
        typer.echo(f"restored: {file}, of {made.made_at:%Y-%m-%d %H:%M:%S}Z ({_ago(age.total_seconds())} ago)")
        for line in _AFTERWARDS:
            typer.echo(line)


_AFTERWARDS = (
    "What follows when the hub starts:",
    "- Each edge sends again what it still holds. What it had deleted on the lost database's receipts cannot"
    " come: each such gap is closed with an alarm (lane.gap) that names its first and last item.",
    "- Each edge tells all its conditions anew, so that what began or ended since the backup is known again;"
    " what began more than a minute ago raises its alarm marked late, and starts and commands nothing.",
    "- Presses and other moments since the backup that an edge no longer holds are lost: look at lane.gap,"
    " and ask at the site.",
    "- Commands that were pending in the backup expire by their own time and are not sent again after it.",
    "- Everybody signs in again. What people did since the backup (acknowledged, verified, closed) is undone.",
    "- Roll-ups go on from where the backup had them.",
)


def describe(found: Survey, now: datetime, kept: Kept) -> Iterator[str]:
    """The state of a database as lines for a person; `kept`: for how many days what is kept."""
    from hub.jobs.retention import first_kept

    yield f"schema   {found.schema} (this program: {found.newest_schema}), layout {found.layout}"
    if found.store is None:
        yield "         not at this program's schema: run `sanfang db migrate`, or start the hub"
        return
    if found.store["restored_at"] is not None:
        when, of = found.store["restored_at"], found.store["restored_from"]
        yield f"restored {when:%F %T}Z from a backup of {of:%F %T}Z"
    if found.store["backed_up_at"] is None:
        yield "backup   never: run `sanfang db backup FILE --config hub.yaml`"
    else:
        age_s = (now - found.store["backed_up_at"]).total_seconds()
        size = _bytes(found.store["backed_up_bytes"])
        yield f"backup   {found.store['backed_up_at']:%F %T}Z ({_ago(age_s)} ago), {size}"
    for table, days in found.days.items():
        rows = f"rows from {days.oldest} to {days.newest}" if days.oldest else "no rows"
        yield f"days     {table}: {days.held} open, {rows}"
    for name in kept:
        first = first_kept(kept, name, now)
        yield f"kept     {name:<14} {'for ever' if first is None else f'{kept[name]} days: from {first} on'}"
    for site in found.rollups:
        if site.recorded is None:
            yield f"roll-ups {site.site}: nothing was recorded yet"
        elif site.rolled is None:
            yield f"roll-ups {site.site}: not begun; the chores do it"
        else:
            lag_s = max(0.0, (site.recorded - site.rolled).total_seconds())
            yield f"roll-ups {site.site}: {lag_s:.0f} s behind what is recorded"
    for name, (seq, at) in found.journal.items():
        yield f"journal  {name}: {seq} rows written, kept since {at:%F %T}Z"
    total = sum(each.size_bytes for each in found.sizes)
    yield f"size     {_bytes(total)} in {len(found.sizes)} tables"
    for each in found.sizes:
        if each.size_bytes * 100 >= total or each.rows:
            yield f"         {each.table:<16} {_bytes(each.size_bytes):>9}  about {each.rows} rows"


@contextmanager
def _faults() -> Iterator[None]:
    """What the store refuses becomes one line for the person."""
    from hub.domain.error import ConfigurationError, HubError

    try:
        yield
    except ConfigurationError:
        raise
    except HubError as error:
        raise ConfigurationError([str(error)]) from error
    except OSError as error:
        raise ConfigurationError([f"{error.filename or 'the file'}: {error.strerror or error}"]) from error


def _bytes(size: float) -> str:
    number = float(size)
    for unit in _UNITS:
        if number < 1000 or unit == _UNITS[-1]:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError("the last unit takes everything")


def _ago(seconds: float) -> str:
    for length, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {word}"
    return f"{seconds:.0f} s"
