"""`sanfang bulk`: places, people, roster and responsibilities of a site as one file, in and out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hub.bulk.reading import Form
    from hub.store.database import Connection

app = typer.Typer(
    no_args_is_help=True, help="Places, people, roster and responsibilities as a workbook or YAML."
)

Site = Annotated[str, typer.Argument(metavar="SITE")]
Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="hub.yaml")]
Language = Annotated[str, typer.Option("--language", metavar="zh|en", help="Of sheets and titles.")]
ACTOR = "system:bulk"
FAULTY = 1
_FORMS: dict[str, Form] = {".xlsx": "xlsx", ".yaml": "yaml", ".yml": "yaml"}


@app.command("export")
def export(
    site: Site,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new .xlsx or .yaml.")],
    config: Config,
    language: Language = "zh",
) -> None:
    """Write what the site has, as `import` would read it. It holds names and contacts: keep it to yourself."""
    from hub.bulk.content import load_known, write_xlsx, write_yaml
    from hub.domain.error import ConfigurationError
    from hub.store.database import reading

    form = _form(file)
    with _connected(site, config) as connection, reading(connection):
        known = load_known(connection, site)
    data = write_xlsx(known, _language(language)) if form == "xlsx" else write_yaml(known)
    try:
        file.touch(0o600, exist_ok=False)
        file.write_bytes(data)
    except OSError as error:
        raise ConfigurationError([f"FILE: {file}: {error.strerror}; name one that there is not"]) from None
    typer.echo(f"{file}: {len(known.people)} persons, {len(known.shifts)} shifts, mode 0600")


@app.command("import")
def import_(
    site: Site,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An .xlsx or .yaml.")],
    config: Config,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; else only say what it would do.")] = False,
) -> None:
    """Say what a file would add and change, and every fault in it by sheet, row, column; with --apply do it."""
    from contextlib import nullcontext

    from hub.bulk.application import apply_steps, fault_at
    from hub.bulk.content import load_known
    from hub.bulk.draft import draft_import
    from hub.bulk.reading import read_file
    from hub.clock import utc_now
    from hub.dispatch.place import load_outfit, put_entries
    from hub.domain.error import ConfigurationError
    from hub.settings import load_settings
    from hub.store.database import reading

    form = _form(file)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigurationError([f"FILE: {file}: {error.strerror}"]) from None
    sheets = read_file(data, form)
    outfit = load_outfit(load_settings(config))
    with _connected(site, config) as connection:

        def borrow() -> AbstractContextManager[Connection]:
            return nullcontext(connection)

        with reading(connection):
            draft = draft_import(sheets, load_known(connection, site, outfit.profiles))
        for what, counts in (("new", draft.added), ("changed", draft.changed), ("as it was", draft.unchanged)):
            for kind, count in counts.items():
                typer.echo(f"{kind}: {count} {what}")
        if apply and not draft.faults:
            entries = [(f"{step.kind}s", step.given) for step in draft.places]
            placed, refusal = put_entries(borrow, site, entries, outfit, ACTOR, utc_now)
            if entries:
                typer.echo(f"applied: {placed} of {len(entries)} zones and devices")
            if refusal:
                draft.faults.append(fault_at(draft.places[placed], refusal))
        if apply and not draft.faults:
            done = apply_steps(borrow, site, ACTOR, "", draft.steps, utc_now)
            draft.faults += [done.fault] if done.fault else []
            typer.echo(f"applied: {done.done} of {len(draft.steps)}, in {done.turns} turns")
    for fault in draft.faults:
        typer.echo(str(fault))
    if draft.faults:
        raise typer.Exit(FAULTY)
    if not apply:
        typer.echo("nothing was changed; --apply does it")


@contextmanager
def _connected(site: str, config: Path) -> Iterator[Connection]:
    from hub.domain.error import ConfigurationError
    from hub.settings import load_settings
    from hub.store.database import connect
    from hub.store.site import list_sites

    connection = connect(load_settings(config).database, application="sanfang bulk")
    try:
        if site not in (known := list_sites(connection)):
            raise ConfigurationError([f"SITE: there is no {site!r}; there is {', '.join(known) or 'none yet'}"])
        yield connection
    finally:
        connection.close()


def _form(file: Path) -> Form:
    from hub.domain.error import ConfigurationError

    form = _FORMS.get(file.suffix.lower())
    if form is None:
        raise ConfigurationError([f"FILE: {file}: is no .xlsx or .yaml; save it as one of them"])
    return form


def _language(language: str) -> str:
    from hub.domain.error import ConfigurationError

    if language not in ("zh", "en"):
        raise ConfigurationError([f"--language: {language!r} is none of zh, en"])
    return language
