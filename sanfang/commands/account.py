"""`sanfang account`: accounts on the hub's own machine, for the administrator who is locked out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Accounts, for the administrator who is locked out.")

Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="hub.yaml")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The log-in name, as `account list` shows it.")]


@app.command("list")
def list_(config: Config) -> None:
    """Every account: name, whether it can log in, its second factors, its roles."""
    from hub import app as program

    for line in program.account_list(config):
        typer.echo(line)


@app.command("reset")
def reset(
    name: Name,
    config: Config,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="Take its second factors away, too, and end its sessions.")
    ] = False,
) -> None:
    """Print a one-time token with which the person sets a new password; a disabled account is enabled."""
    from hub import app as program

    for line in program.account_reset(config, name, second_factor=second_factor):
        typer.echo(line)
