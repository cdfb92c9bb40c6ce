"""`sanfang broker`: what a Mosquitto broker needs to know of the hub's edges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from adapters.contract.topic import Sender
    from hub.settings import HubSettings

app = typer.Typer(no_args_is_help=True, help="Configuration for the Mosquitto broker between edges and hub.")

Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="hub.yaml")]


@app.command("acl")
def acl(config: Config) -> None:
    """Print the ACL: each edge its own topics, the hub all of them, nobody anything else."""
    from hub.settings import load_settings
    from hub.sites.broker import write_acl

    typer.echo(write_acl(_edges(load_settings(config))), nl=False)


@app.command("configuration")
def configuration(
    config: Config,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The broker's folder, of its own.")],
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="USER", help="As whom the broker runs; owns the files.")
    ] = None,
) -> None:
    """Write all that the broker needs into one folder: mosquitto.conf, acl, ca.crt, crl.pem, broker.pem.

    Again after an edge was added, a certificate renewed or revoked; the broker reads the files anew on SIGHUP.
    """
    import shutil

    from hub.domain.error import ConfigurationError
    from hub.settings import is_loopback, load_settings
    from hub.sites.authority import Authority, replace_file
    from hub.sites.broker import Listening, write_acl, write_configuration

    settings = load_settings(config)
    if settings.ca is None:
        raise ConfigurationError([f"{config}: ca: is missing; add ca: {{directory: ca}}"])
    authority, edges, folder = Authority(settings.ca.directory), _edges(settings), to.absolute()
    host = "127.0.0.1" if is_loopback(settings.broker.edges_host) and is_loopback(settings.broker.host) else ""
    pair = authority.issued("broker")
    try:
        files = {
            "broker.pem": pair.read_bytes(),
            "crl.pem": (settings.ca.directory / "crl.pem").read_bytes(),
            "ca.crt": authority.certificate.encode(),
            "acl": write_acl(edges).encode(),
            "mosquitto.conf": write_configuration(
                Listening(host, settings.broker.port, folder, owner), len(edges)
            ).encode(),
        }
    except OSError as error:
        cure = "run `sanfang ca issue broker`"
        raise ConfigurationError([f"{error.filename}: cannot be read ({error.strerror}); {cure}"]) from None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, data in files.items():
            replace_file(folder / name, data, owner=owner)
        if owner is not None:
            shutil.chown(folder, owner)
    except LookupError:
        raise ConfigurationError([f"--owner: there is no user {owner!r} here"]) from None
    except OSError as error:
        raise ConfigurationError([f"--to: {folder}: cannot be written ({error.strerror})"]) from None
    typer.echo(f"{folder}: {', '.join(sorted(files))}, for {len(edges)} edges")
    typer.echo(f"Start it with `mosquitto -c {folder / 'mosquitto.conf'}`; a running one reads anew on SIGHUP.")


def _edges(settings: HubSettings) -> list[Sender]:
    from adapters.contract.topic import Sender
    from hub.sites.reading import load_site

    sites = [load_site(file) for file in settings.sites]
    return [Sender(site.site, edge.edge) for site in sites for edge in site.edges]
