"""`sanfang site`: a whole school as one file, from one hub to another; and its document in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="A whole school as one file, from one hub to another.")

Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="hub.yaml")]
ACTOR = "system:transfer"


@app.command("export")
def export(
    site: Annotated[str, typer.Argument(metavar="SITE")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; there must be no such file yet.")],
    config: Config,
) -> None:
    """Write all that is the site's into one file. Stop the hub before: what comes later stays behind."""
    from importlib.metadata import version

    from hub.clock import utc_now
    from hub.domain.error import ConfigurationError
    from hub.settings import load_settings
    from hub.store.transfer import export_site

    software = f"sanfang {version('sanfang')}"
    try:
        made = export_site(load_settings(config).database, site, file, at=utc_now(), software=software)
    except OSError as error:
        raise ConfigurationError([f"FILE: {file}: {error.strerror}; name one that there is not"]) from None
    typer.echo(f"{file}: {made.rows} rows of {site}, mode 0600")
    typer.echo("It holds the edges' root secrets and persons' contacts: keep it where only you can read it.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `sanfang site export` wrote.")],
    config: Config,
) -> None:
    """Put the site of a file into this hub's database, all or nothing. Accounts do not come along."""
    from hub.clock import utc_now
    from hub.settings import load_settings
    from hub.store.transfer import import_site

    made = import_site(load_settings(config).database, file, at=utc_now(), actor=ACTOR)
    typer.echo(f"{made.site}: {made.rows} rows, as they were at {made.made_at:%Y-%m-%d %H:%M:%S} UTC")
    typer.echo(
        "Name its site.yaml under `sites` in hub.yaml, start the hub, and give roles at the site to those who"
        " work there."
    )


@app.command("document")
def document(site: Annotated[str, typer.Argument(metavar="SITE")], config: Config) -> None:
    """Print the newest version of a site's places, devices and posts as YAML for its site.yaml."""
    from hub.app import site_document

    typer.echo(site_document(config, site), nl=False)


@app.command("replace")
def replace(site: Annotated[str, typer.Argument(metavar="SITE")], config: Config) -> None:
    """Take site.yaml as it is, whatever was changed in the console. The version before stays kept."""
    from hub.app import site_replace

    version = site_replace(config, site)
    typer.echo(f"{site}: as site.yaml says already" if version is None else f"{site}: version {version}")
