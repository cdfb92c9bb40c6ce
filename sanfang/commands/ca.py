"""`sanfang ca`: the site's own certificate authority: made once, then it issues, renews and revokes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hub.settings import HubSettings
    from hub.sites.authority import Authority

app = typer.Typer(no_args_is_help=True, help="The site's own certificate authority.")

Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="hub.yaml; its `ca` says where.")]
Also = Annotated[
    list[str] | None, typer.Option("--also", metavar="HOST", help="A further name or address of the server.")
]


@app.command("init")
def init(
    config: Config,
    name: Annotated[str, typer.Option("--name", help="What the authority calls itself.")] = "Sanfang CA",
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Encrypt the key; ask for the passphrase unless it is set.")
    ] = False,
) -> None:
    """Make the authority, good for ten years; one that is there is left alone."""
    from hub.clock import utc_now
    from hub.sites.authority import init_authority

    _, directory = _settings(config)
    secret = _passphrase(confirm=True) if passphrase else None
    authority, made = init_authority(directory, name, secret, utc_now())
    typer.echo(f"{directory}: {'made' if made else 'was there already'}, SHA-256 {authority.fingerprint}")
    if made:
        typer.echo("Keep a copy of this folder where only you get at it: without it every edge enrols anew.")


@app.command("issue")
def issue(
    config: Config,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[broker|https|hub]…", help="All three, unless named.")
    ] = None,
    also: Also = None,
) -> None:
    """Issue the certificates that broker and hub need, with the names and addresses in hub.yaml.

    Edges get theirs by enrolment: `sanfang edge invite`, `sanfang edge enrol`.
    """
    settings, _ = _settings(config)
    authority = _open(settings)
    for name in _check_names(names or ["broker", "https", "hub"]):
        _issue(settings, authority, name, also or [])


@app.command("renew")
def renew(
    config: Config,
    force: Annotated[bool, typer.Option("--force", help="Also those that are good for long.")] = False,
    also: Also = None,
) -> None:
    """Renew the certificates of broker and hub of whose life a third or less is left. Run it from a timer."""
    from hub.clock import utc_now

    settings, _ = _settings(config)
    authority = _open(settings)
    for name in ("broker", "https", "hub"):
        entry = authority.newest(name)
        if entry is None:
            continue
        if force or entry.is_due(utc_now()):
            _issue(settings, authority, name, [*(also or []), *authority.hosts(name)])
        else:
            typer.echo(f"{name}: good until {entry.expires:%Y-%m-%d}")


@app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="SITE/EDGE, or broker, https, hub.")],
    config: Config,
) -> None:
    """Revoke every certificate of an edge that was stolen, or of a server; of an edge also its secret."""
    from adapters.contract.topic import Sender
    from hub import app as program
    from hub.clock import utc_now
    from hub.domain.error import ConfigurationError
    from hub.sites.broker import credential_name

    settings, directory = _settings(config)
    authority = _open(settings)
    if "/" not in name:
        count = authority.revoke(_check_names([name])[0], utc_now())
    else:
        try:
            sender = Sender(*name.split("/", 1))
        except ValueError as error:
            raise ConfigurationError([f"NAME: {error}"]) from None
        count = authority.revoke(credential_name(sender), utc_now())
        forgotten = program.forget(config, sender)
        typer.echo(
            f"{name}: its secret is {'forgotten' if forgotten else 'not known'}; nothing it signs is believed"
        )
    typer.echo(f"{name}: {count} certificates revoked in {directory / 'crl.pem'}")
    typer.echo(
        "Now `sanfang broker configuration`, and restart the broker: it ends only new connections by itself."
    )


@app.command("list")
def list_certificates(config: Config) -> None:
    """Every certificate: name, role, until when, revoked since when, serial."""
    settings, _ = _settings(config)
    authority = _open(settings)
    typer.echo(f"authority  until {authority.expires_at:%Y-%m-%d}  SHA-256 {authority.fingerprint}")
    for entry in authority.entries():
        state = f"  revoked {entry.revoked_at[:10]}" if entry.revoked_at else ""
        typer.echo(f"{entry.name}  {entry.role}  until {entry.expires:%Y-%m-%d}{state}  {entry.serial}")


def _issue(settings: HubSettings, authority: Authority, name: str, also: list[str]) -> None:
    from hub.clock import utc_now
    from hub.domain.error import ConfigurationError, InvalidAct

    assert settings.ca is not None
    days, now = settings.ca.server_days, utc_now()
    if name == "hub":
        file = authority.issue_hub(days, now)
        typer.echo(f"{name}: {file}")
        return
    hosts = list(dict.fromkeys([*_hosts(settings, name), *also]))
    try:
        file = authority.issue_server(name, hosts, days, now)
    except InvalidAct as error:
        raise ConfigurationError([f"hub.yaml or --also: {error}"]) from None
    typer.echo(f"{name}: {file} for {', '.join(hosts)}")


def _hosts(settings: HubSettings, name: str) -> list[str]:
    if name == "broker":
        return [settings.broker.edges_host, settings.broker.host]
    hosts = [settings.http.name, settings.http.host]
    return [host for host in hosts if host and host not in ("0.0.0.0", "::")]


def _check_names(names: list[str]) -> list[str]:
    from hub.domain.error import ConfigurationError

    for name in names:
        if name not in ("broker", "https", "hub"):
            raise ConfigurationError([f"NAME: {name!r} is none of broker, https, hub; an edge is SITE/EDGE"])
    return names


def _settings(config: Path) -> tuple[HubSettings, Path]:
    from hub.domain.error import ConfigurationError
    from hub.settings import load_settings

    settings = load_settings(config)
    if settings.ca is None:
        raise ConfigurationError([f"{config}: ca: is missing; add ca: {{directory: ca}}"])
    return settings, settings.ca.directory


def _open(settings: HubSettings) -> Authority:
    """The authority; on a terminal the passphrase of an encrypted key is asked for."""
    from hub.sites.authority import Authority, is_encrypted

    assert settings.ca is not None
    locked = is_encrypted(settings.ca.directory)
    return Authority(settings.ca.directory, _passphrase(confirm=False) if locked else None)


def _passphrase(*, confirm: bool) -> str | None:
    import os
    import sys

    from hub.settings import PASSPHRASE

    if PASSPHRASE in os.environ or not sys.stdin.isatty():
        return os.environ.get(PASSPHRASE)
    return str(typer.prompt("Passphrase of the authority's key", hide_input=True, confirmation_prompt=confirm))
