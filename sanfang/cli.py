"""The commands of `sanfang`. Each program is imported only when its command runs."""

from __future__ import annotations

import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from sanfang.commands import account as account_commands
from sanfang.commands import broker as broker_commands
from sanfang.commands import bulk as bulk_commands
from sanfang.commands import ca as ca_commands
from sanfang.commands import database as database_commands
from sanfang.commands import journal as journal_commands
from sanfang.commands import rules as rules_commands
from sanfang.commands import site as site_commands
from sanfang.ports import CONTROL_PORT

WRONG = 2
"""Exit code for what a person has to mend first: configuration, a port in use, a folder."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Sanfang (三防): a school's safety technology, its people and its physical protection, joined.",
)
edge_app = typer.Typer(invoke_without_command=True, help="The edge: reads devices, spools, sends to the hub.")
quarantine_app = typer.Typer(no_args_is_help=True, help="Items that the hub could not read, kept whole.")
app.add_typer(edge_app, name="edge")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(account_commands.app, name="account")
app.add_typer(ca_commands.app, name="ca")
app.add_typer(broker_commands.app, name="broker")
app.add_typer(database_commands.app, name="db")
app.add_typer(journal_commands.app, name="journal")
app.add_typer(bulk_commands.app, name="bulk")
app.add_typer(site_commands.app, name="site")
app.add_typer(rules_commands.app, name="rules")

Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration file.")]


class Refused(Exception):
    """What was asked for cannot be done; the message is for the person."""


class Process(StrEnum):
    """The hub's three processes."""

    API = "api"
    WORKER = "worker"
    CHORES = "chores"


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Where everything is kept [.data/demo].")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The console's port.")] = 8080,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", metavar="FILE", help="Simulated events are written here first.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Makes the simulated day repeatable.")] = None,
    speed: Annotated[float | None, typer.Option("--speed", help="How many times faster life runs.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No incidents but those you order.")] = False,
) -> None:
    """A whole school on this machine: database, broker, hub, edge and a simulated campus. Ctrl-C ends it."""
    from sanfang.demo import DemoOptions, run_demo

    given = {"--ledger": ledger and ledger.absolute(), "--seed": seed, "--speed": speed}
    simulation = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    simulation += ["--quiet"] * quiet
    raise typer.Exit(run_demo(DemoOptions(data=data, http_port=port, simulation=tuple(simulation))))


@app.command()
def hub(
    config: Config,
    only: Annotated[Process | None, typer.Option("--only", help="Run one of the three processes.")] = None,
) -> None:
    """The hub: API and console, intake worker, chores; three processes, or one of them."""
    from hub import app as program

    raise typer.Exit(program.run_hub(config) if only is None else program.run_process(config, only.value))


@edge_app.callback()
def edge(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="edge.yaml")] = None,
) -> None:
    """Run the edge, or (with a command) invite one at the hub and enrol it."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise typer.BadParameter("give the edge's configuration: --config FILE")
    from edge import app as program

    raise typer.Exit(program.run_edge(config))


@edge_app.command("invite")
def edge_invite(
    name: Annotated[str, typer.Argument(help="The edge's name in the site's configuration.")],
    config: Config,
    site: Annotated[str | None, typer.Option("--site", help="Needed where the hub has several.")] = None,
) -> None:
    """At the hub: print a token, good once and for 24 hours, with which that edge can enrol."""
    from hub import app as program

    typer.echo(program.invite(config, site, name))


@edge_app.command("rotate")
def edge_rotate(
    name: Annotated[str, typer.Argument(help="The edge's name in the site's configuration.")],
    config: Config,
    site: Annotated[str | None, typer.Option("--site", help="Needed where the hub has several.")] = None,
) -> None:
    """At the hub: ask that edge to sign with its next key; nothing is lost, and the old one is refused then."""
    from hub import app as program

    typer.echo(program.rotate(config, site, name))


@edge_app.command("enrol")
def edge_enrol(
    token: Annotated[str, typer.Argument(help="What `edge invite` printed.")], config: Config
) -> None:
    """At the edge: exchange the token for this edge's identity and keep it."""
    from edge import app as program

    program.enrol(token, config)
    typer.echo("enrolled")


@app.command()
def simulate(
    campus: Annotated[Path, typer.Argument(help="campus.yaml")],
    do: Annotated[
        str | None,
        typer.Option("--do", metavar="ORDER", help='Tell a running simulation, "press gate-button".'),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option("--ledger", metavar="FILE", help="Events are written here before they are sent."),
    ] = None,
    control: Annotated[
        str, typer.Option("--control", metavar="URL", envvar="SANFANG_CONTROL", help="Where it takes orders.")
    ] = f"http://127.0.0.1:{CONTROL_PORT}",
    seed: Annotated[int, typer.Option("--seed", help="Makes the day repeatable.")] = 1,
    speed: Annotated[float, typer.Option("--speed", help="How many times faster life runs.")] = 1.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No incidents but those you order.")] = False,
    load: Annotated[float, typer.Option("--load", help="Extra readings per second, for benchmarks.")] = 0.0,
) -> None:
    """A simulated campus: devices on real sockets, ordinary life, an incident every few minutes."""
    from simulators import app as program

    port = control_port(control)
    if do is not None:
        try:
            typer.echo(program.send_order(control, do))
        except program.OrderRefused as refusal:
            raise Refused(str(refusal)) from None
        except OSError as error:
            raise Refused(f"no simulation takes orders at {control} ({error})") from None
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options = program.SimulationOptions(
        seed=seed, speed=speed, ledger=ledger, control_port=port, quiet=quiet, load=load
    )
    raise typer.Exit(program.run_simulation(campus, options))


def control_port(control: str) -> int:
    """The port in the address of a simulation's control; raises Refused where it has none."""
    try:
        address = urlsplit(control)
        port = address.port if address.scheme == "http" and address.hostname else None
    except ValueError:  # a port beyond 65535, a bracket that is not closed
        port = None
    if not port:
        raise Refused(f"--control {control} is no address with a port; write http://127.0.0.1:N")
    return port


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files, or folders of them.")],
) -> None:
    """Validate any of our YAML: hub, edge, site, campus, profiles, rules, plans. Lists every fault."""
    from sanfang.checking import check_file, reflex_notes, yaml_files

    count = wrong = 0
    good: dict[str, list[Path]] = {}
    for file in yaml_files(paths):
        count += 1
        kind, faults = check_file(file)
        wrong += bool(faults)
        good.setdefault("faulty" if faults else kind, []).append(file)
        for line in faults or [f"{file}: {kind}: good"]:
            typer.echo(line)
    for line in [] if wrong else reflex_notes(good):
        typer.echo(line)
    typer.echo(f"{count} checked, {wrong} with faults")
    if wrong or not count:
        raise typer.Exit(WRONG)


@quarantine_app.command("list")
def quarantine_list(
    config: Config, site: Annotated[str | None, typer.Option("--site", help="Only this site's.")] = None
) -> None:
    """List what is held: number, site, edge, when, why."""
    from hub import app as program

    for line in program.quarantine_list(config, site):
        typer.echo(line)


@quarantine_app.command("retry")
def quarantine_retry(
    number: Annotated[int, typer.Argument(help="The item's number in the list.")],
    config: Config,
    site: Annotated[str | None, typer.Option("--site", help="Needed where the hub has several.")] = None,
) -> None:
    """Try a held item again, for instance after a profile was mended."""
    from hub import app as program

    typer.echo(program.quarantine_retry(config, site, number))


def main() -> None:
    """Run a command; what a person has to mend is one clear line each on stderr, and exit code 2."""
    try:
        app()
    except (
        Exception
    ) as error:  # the command line's one place: known errors become lines, others stay tracebacks
        lines = fault_lines(error)
        if lines is None:
            raise
        for line in lines:
            print(f"sanfang: {line}", file=sys.stderr)
        sys.exit(WRONG)


def fault_lines(error: Exception) -> list[str] | None:
    """The lines for a person, where the error is one that a person can mend; else None."""
    faults = getattr(error, "faults", None)
    if isinstance(faults, list):
        return [str(fault) for fault in faults]
    from sanfang.console import ConsoleError
    from sanfang.demo import DemoError
    from sanfang.embedded.postgres import PostgresError
    from sanfang.ports import PortError
    from sanfang.supervisor import StartFailed

    if isinstance(error, Refused | DemoError | PostgresError | PortError | StartFailed | ConsoleError):
        return [str(error)]
    return None
