"""`sanfang journal`: a site's journal as a file, and the check of such a file, which needs no hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hub.sites.journal import Finding

app = typer.Typer(no_args_is_help=True, help="A site's journal: take it out, check it.")

Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="hub.yaml")]
BROKEN = 1
"""Exit code of a check that found something."""


@app.command("key")
def key(config: Config) -> None:
    """Print the fingerprint of the hub's journal key. Note it where the hub cannot change it."""
    from hub.settings import load_settings
    from hub.sites.seal import Sealer, fingerprint

    typer.echo(fingerprint(Sealer(load_settings(config).data_dir).signer))


@app.command("export")
def export(
    site: Annotated[str, typer.Argument(metavar="SITE")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; there must be no such file yet.")],
    config: Config,
) -> None:
    """Write the site's whole journal, from the seal that pruning left to a new one, and check it."""
    from hub.domain.error import ConfigurationError

    with _lines_of(site, config) as lines:
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise ConfigurationError([f"FILE: {file}: {error.strerror}; name one that there is not"]) from None
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.writelines(lines)
    verify(str(file))


@app.command("verify")
def verify(
    journal: Annotated[
        str,
        typer.Argument(metavar="FILE|SITE", help="What an export wrote; or with --config a site's journal."),
    ],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="hub.yaml, to check in its database.")
    ] = None,
    signer: Annotated[
        str | None, typer.Option("--signer", metavar="FINGERPRINT", help="Whose seals they must be.")
    ] = None,
) -> None:
    """Check a journal: nothing changed, nothing missing, sealed by the hub. Exit code 1: it does not hold.

    A file needs neither hub nor network.
    """
    from hub.domain.error import ConfigurationError
    from hub.sites.journal import check_journal
    from hub.sites.seal import fingerprint

    if config is not None:
        with _lines_of(journal, config) as lines:
            found = check_journal(lines)
    else:
        try:
            with Path(journal).open(encoding="utf-8", errors="surrogateescape") as file:
                found = check_journal(file)
        except OSError as error:
            reason = f"FILE: {journal}: {error.strerror}; name what an export wrote, or a site with --config"
            raise ConfigurationError([reason]) from None
    strangers = [each for each in map(fingerprint, found.signers) if signer and not _same(each, signer)]
    if strangers:
        found.faults.append(f"sealed by {' and '.join(strangers)}, not by {signer}")
    for line in describe(found):
        typer.echo(line)
    if found.faults:
        raise typer.Exit(BROKEN)


@contextmanager
def _lines_of(site: str, config: Path) -> Iterator[Iterator[str]]:
    """The export of a site out of a hub's database, line by line."""
    from hub.clock import utc_now
    from hub.domain.error import ConfigurationError
    from hub.settings import load_settings
    from hub.sites.journal import write_journal
    from hub.sites.seal import Sealer
    from hub.store.database import connect
    from hub.store.extract import one_view
    from hub.store.site import list_sites

    settings = load_settings(config)
    sealer = Sealer(settings.data_dir)
    connection = connect(settings.database, application="sanfang journal")
    try:
        if site not in (known := list_sites(connection)):
            raise ConfigurationError([f"SITE: there is no {site!r}; there is {', '.join(known) or 'none yet'}"])
        with one_view(connection):
            yield write_journal(connection, site, sealer, utc_now())
    finally:
        connection.close()


def describe(found: Finding) -> list[str]:
    """What a check found, line by line."""
    from hub.sites.seal import fingerprint

    lines = [f"journal of {found.site or 'no site'}: {found.rows} rows hold"]
    if found.first and found.last:
        (first, begins), (last, ends) = found.first, found.last
        lines.append(f"rows {first} to {last}, from {begins:%Y-%m-%d %H:%M:%S} to {ends:%Y-%m-%d %H:%M:%S} UTC")
    if found.begin is not None:
        lines.append(f"what came before row {found.begin.seq + 1} was pruned; the check begins at its seal")
    lines += [f"sealed by {each}" for each in sorted(map(fingerprint, found.signers))]
    lines += [f"note: {each}" for each in found.notes]
    lines += [f"BROKEN: {each}" for each in found.faults]
    return lines if found.faults else [*lines, "intact"]


def _same(one: str, other: str) -> bool:
    return one.replace(" ", "") == other.replace(" ", "").lower()
