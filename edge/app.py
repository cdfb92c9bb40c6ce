"""The edge's composition: the one file that knows all its parts, starts them and stops them backwards."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import secrets
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from adapters.base import Adapter, AdapterError, Driver
from adapters.contract.message import Command, Settings
from adapters.registry import load_drivers
from edge.admission import Admission
from edge.chattering import Chattering, Rate
from edge.clock import Clock, SystemClock
from edge.command import CommandDesk
from edge.configuration import (
    SETTINGS_FILE,
    SPOOL_FILE,
    EdgeConfiguration,
    Identity,
    load_configuration,
    load_identity,
)
from edge.enrolment import enrol_edge
from edge.error import ConfigurationError, EnrolmentError, SettingsRefused, SpoolError
from edge.heartbeat import Change
from edge.keys import Keys
from edge.known import ConditionKey
from edge.quota import Budget
from edge.reader import SpoolReader
from edge.reception import Reception
from edge.settings import Plan, load_settings, plan_settings, save_settings, shorten_faults
from edge.spool import Spool
from edge.supervisor import Supervisor
from edge.telling import tell_again
from edge.uplink import Road, Uplink
from edge.window import Limits, Progress, Window
from edge.writer import SpoolWriter

_log = logging.getLogger(__name__)

DRAIN_S: Final = 1.0


def run_edge(config: Path) -> int:
    """Run the edge until SIGTERM or SIGINT; returns the exit code.

    Raises ConfigurationError (with `.faults`) where it cannot start: bad file, not enrolled, a second edge
    on the same data, a folder that cannot be written.
    """
    configuration = load_configuration(config)
    identity = load_identity(configuration.data_dir)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for ours in ("edge", "adapters"):
        logging.getLogger(ours).setLevel(logging.INFO)
    with _hold_folders(configuration):
        return asyncio.run(_run(configuration, identity))


def enrol(token: str, config: Path) -> None:
    """Enrol with the hub that the token names; raises ConfigurationError with what went wrong."""
    configuration = load_configuration(config)
    try:
        identity = enrol_edge(token, configuration.data_dir)
    except EnrolmentError as error:
        raise ConfigurationError([str(error)]) from None
    _log.info("enrolled as %s", identity.sender)


async def _run(configuration: EdgeConfiguration, identity: Identity) -> int:
    clock = SystemClock()
    edge = Edge(configuration, identity, load_drivers(), clock)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await edge.start()
    for ended in edge.ended:
        ended.add_done_callback(lambda _: loop.call_soon_threadsafe(stop.set))
    await stop.wait()
    failures = [ended.exception() for ended in edge.ended if ended.done()]
    await edge.stop()
    for error in failures:
        _log.error("the edge ends: %r", error)
        if isinstance(error, SpoolError):
            _set_aside(configuration.data_dir / SPOOL_FILE, clock)
    return 1 if failures else 0


class Edge:
    """One running edge. Its parts live in three threads: devices in the event loop, the spool's writer, the
    uplink; what crosses between them goes through futures and inboxes only.
    """

    def __init__(
        self, configuration: EdgeConfiguration, identity: Identity, drivers: Mapping[str, Driver], clock: Clock
    ) -> None:
        """Opens the spool and begins a new epoch; raises ConfigurationError where that is not possible."""
        self._configuration = configuration
        self._identity = identity
        self._drivers = drivers
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._spool_path = configuration.data_dir / SPOOL_FILE
        self._settings_path = configuration.data_dir / SETTINGS_FILE
        self._chattering = Chattering(Rate())
        self._admission = Admission(identity.edge, self._chattering, clock)
        self._spool, self._replaced = _open_spool(self._spool_path, configuration, clock)
        sender = identity.sender
        self._keys = Keys(sender, identity.root_secret.get_secret_value(), identity.key_number)
        road = Road(sender, identity.broker, self._spool.epoch, f"sanfang {version('sanfang')}")
        window = Window(self._spool.epoch, self._spool.marks(), Limits())
        self._uplink = Uplink(road, window, self._keys, self, clock)
        self._writer = SpoolWriter(self._spool, self._admission, self._uplink.note_stored, clock)
        self._reception = Reception(self._writer, self._admission, clock)
        self._supervisor = Supervisor(self._reception, clock)
        self._commands = CommandDesk(self._reception, self._supervisor.find_writer, clock)
        self._version = 0
        self._wanted: Settings | None = None
        self._refused: Settings | None = None
        self._applying: asyncio.Task[None] | None = None
        self._outputs: set[asyncio.Task[None]] = set()

    @property
    def ended(self) -> tuple[Future[None], Future[None]]:
        """Done when a thread ended by itself."""
        return self._writer.ended, self._uplink.ended

    @property
    def reception(self) -> Reception:
        """Where observations come in."""
        return self._reception

    async def start(self) -> None:
        """Start from what is on the disk; neither hub nor broker is needed for it."""
        interrupted = self._spool.known.interrupted_commands()
        self._writer.start()
        self._writer.submit(self._begin_epoch, urgent=True)
        self._uplink.start(SpoolReader(self._spool_path))
        await self._commands.report_interrupted(interrupted)
        try:
            kept = load_settings(self._settings_path)
        except SettingsRefused as refused:
            self._uplink.note_settings(0, shorten_faults(refused.faults))
            kept = None
        if kept is not None:
            await self._apply(kept, keep=False)
        _log.info("the edge %s runs, epoch %d", self._identity.sender, self._spool.epoch)

    async def stop(self) -> None:
        """Stop the devices, write what was heard, close the street."""
        if self._applying is not None:
            self._applying.cancel()
        await self._supervisor.stop()
        await self._reception.drain(DRAIN_S)
        await asyncio.to_thread(self._writer.stop)
        await asyncio.to_thread(self._uplink.stop)
        _log.info("the edge %s stopped", self._identity.sender)

    # What the uplink asks of its host, in the uplink's thread.

    def forget(self, news: list[Progress]) -> None:
        def operation(spool: Spool) -> None:
            for one in news:
                spool.take_receipt(one.epoch, one.lane, one.cursor)

        self._writer.submit(operation, urgent=False)

    def take_command(self, command: Command, hub_offset_us: int | None) -> None:
        self._loop.call_soon_threadsafe(self._commands.take, command, hub_offset_us)

    def take_settings(self, settings: Settings) -> None:
        self._loop.call_soon_threadsafe(self._want_settings, settings)

    def notice_hub(self, change: Change) -> None:
        told = self._writer.submit(partial(self._tell_hub, change), urgent=True)
        told.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._drive_output, change, done))

    def tell_again(self, telling: str) -> None:
        self._writer.submit(partial(self._tell_again, telling), urgent=True)

    def status(self) -> tuple[int, dict[str, int]]:
        counts = {
            "telemetry": self._admission.dropped_telemetry,
            "alarm": self._admission.dropped_alarms,
            "unreadable": self._admission.unreadable,
            "repeats": self._admission.repeats,
            "collapsed": self._chattering.collapsed,
            "write_failures": self._writer.failures,
        }
        return self._writer.held_bytes, {name: count for name, count in counts.items() if count}

    # In the writer's thread.

    def _begin_epoch(self, spool: Spool) -> None:
        """Tell what a new start ends, and what the hub of a new enrolment has to hear anew."""
        fingerprint = self._keys.fingerprint
        if spool.known.read_note("enrolment") != fingerprint:
            spool.known.forget_conditions()
            spool.known.write_note("enrolment", fingerprint)
        self._admission.end_chattering(spool)
        if self._replaced:
            self._admission.report_own(spool, "lane.gap", None, reason=self._replaced)

    def _tell_hub(self, change: Change, spool: Spool) -> bool:
        """Journal that the hub is lost or back; whether that is a change to what was told before."""
        before = spool.known.condition(ConditionKey(self._identity.edge, "", "hub.lost"))
        self._admission.report_own(spool, "hub.lost", change.lost, silent_ms=change.silent_ms)
        return (before is not None and before.active) != change.lost

    def _tell_again(self, telling: str, spool: Spool) -> int:
        return tell_again(spool, telling, self._clock)

    # In the event loop.

    def _drive_output(self, change: Change, told: Future[bool]) -> None:
        output = self._configuration.hub_lost_output
        if output is None or told.cancelled() or told.exception() is not None or not told.result():
            return
        kind = output.lost if change.lost else output.back
        now = self._clock.now_us()
        own = Command(
            f"local-{secrets.token_hex(8)}", output.device, output.address, kind, {}, now, now, 0, "hub.lost"
        )
        task = self._loop.create_task(self._perform_output(own))
        self._outputs.add(task)
        task.add_done_callback(self._outputs.discard)

    async def _perform_output(self, command: Command) -> None:
        outcome = await self._commands.perform(command)
        _log.warning(
            "hub-lost output %s %s: %s %s", command.device, command.kind, outcome.state, outcome.detail
        )

    def _want_settings(self, settings: Settings) -> None:
        """Settings came. Those in force, and those being applied, need nothing; the newest word counts."""
        if self._applying is not None and not self._applying.done():
            self._wanted = settings
            return
        if settings.version == self._version:
            self._uplink.note_settings(self._version, "")
            return
        if settings == self._refused:
            return
        self._applying = self._loop.create_task(self._apply(settings, keep=True))

    async def _apply(self, settings: Settings, *, keep: bool) -> None:
        """Apply settings whole, or refuse them whole and go on with those in force."""
        try:
            plan = plan_settings(settings, self._identity.sender, self._drivers)
            adapters = self._supervisor.prepare(plan)
            if keep:
                await asyncio.to_thread(save_settings, self._settings_path, settings)
        except SettingsRefused as refused:
            self._refuse(settings, refused.faults)
        except AdapterError as error:
            self._refuse(settings, [error.detail])
        except OSError as error:
            self._refuse(settings, [f"{self._settings_path}: cannot be written: {error.strerror}"])
        else:
            await self._put_in_force(plan, adapters)
        wanted, self._wanted = self._wanted, None
        if wanted is not None and wanted.version != self._version:
            await self._apply(wanted, keep=True)

    async def _put_in_force(self, plan: Plan, adapters: list[Adapter]) -> None:
        known = {*plan.devices, self._identity.edge}
        self._writer.submit(lambda spool: spool.known.forget_conditions(known), urgent=True)
        self._commands.use_devices(plan.devices)
        await self._supervisor.apply(plan, adapters)
        self._version, self._refused = plan.version, None
        _log.info(
            "settings %d are in force: %d devices on %d connections",
            plan.version,
            len(plan.devices),
            len(plan.connections),
        )
        self._uplink.note_settings(plan.version, "", plan.key_number)

    def _refuse(self, settings: Settings, faults: list[str]) -> None:
        _log.error("settings %d are refused: %s", settings.version, "; ".join(faults))
        self._refused = settings
        self._uplink.note_settings(settings.version, shorten_faults(faults))


def _open_spool(path: Path, configuration: EdgeConfiguration, clock: Clock) -> tuple[Spool, str]:
    """The spool with a new epoch; a damaged file is set aside, and the reason returned with the new one."""
    budget = Budget(configuration.spool_bytes)
    open_new = partial(Spool, path, epoch=secrets.randbits(63) or 1, opened_at=clock.now_us(), budget=budget)
    try:
        return open_new(), ""
    except sqlite3.OperationalError as error:
        raise ConfigurationError([f"{path}: cannot be written: {error}"]) from None
    except (SpoolError, sqlite3.DatabaseError) as error:
        cause = error.__cause__ if isinstance(error, SpoolError) else error
        if not isinstance(cause, sqlite3.DatabaseError) or isinstance(cause, sqlite3.OperationalError):
            raise ConfigurationError([str(error)]) from None
        reason = f"the spool file was damaged: {cause}"
        _log.error("%s; it is set aside", reason)
        _set_aside(path, clock)
        return open_new(), reason


def _set_aside(path: Path, clock: Clock) -> None:
    """Keep a damaged spool for people to look at, out of the way."""
    mark = clock.now_us()
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(path.with_name(f"{path.name}.damaged-{mark}{suffix}"))


@contextmanager
def _hold_folders(configuration: EdgeConfiguration) -> Iterator[None]:
    """Hold the data for this process alone and leave its pid for others to find."""
    pid_file = configuration.run_dir / "edge.pid"
    try:
        configuration.data_dir.mkdir(parents=True, exist_ok=True)
        configuration.run_dir.mkdir(parents=True, exist_ok=True)
        lock = (configuration.data_dir / "edge.lock").open("w")
    except OSError as error:
        raise ConfigurationError([f"{error.filename}: cannot be written: {error.strerror}"]) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError([f"{configuration.data_dir}: another edge runs on this data"]) from None
        pid_file.write_text(f"{os.getpid()}\n")
        try:
            yield
        finally:
            pid_file.unlink(missing_ok=True)
