"""The edge's composition: the one file that knows all its parts, starts them and stops them backwards."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from adapters.base import Adapter, AdapterError, Driver
from adapters.contract.message import Command, Reflex, Settings
from adapters.registry import load_drivers
from edge.admission import Admission
from edge.chattering import Chattering, Rate
from edge.clock import Clock, SystemClock
from edge.command import CommandDesk
from edge.configuration import (
    SETTINGS_FILE,
    SPOOL_FILE,
    BrokerAddress,
    EdgeConfiguration,
    Identity,
    load_configuration,
    load_identity,
    save_identity,
)
from edge.enrolment import enrol_edge
from edge.error import ConfigurationError, EnrolmentError, SettingsRefused, SpoolError
from edge.folder import hold_folders
from edge.happening import EpochBegun, Road
from edge.heartbeat import Change
from edge.keys import Keys
from edge.known import ConditionKey
from edge.linkage import Linkage
from edge.quota import Budget
from edge.reader import SpoolReader
from edge.reception import Reception
from edge.renewal import Renewal
from edge.schema import Memory
from edge.settings import Plan, load_settings, plan_settings, save_settings, shorten_faults
from edge.shelter import Shelter, set_aside
from edge.spool import Spool
from edge.supervisor import Supervisor
from edge.telling import tell_again
from edge.uplink import Uplink
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
    with hold_folders(configuration):
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
            try:
                set_aside(configuration.data_dir / SPOOL_FILE, clock)
            except OSError as refused:
                _log.error("the damaged spool cannot be set aside: %s", refused)
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
        self._settings_path = configuration.data_dir / SETTINGS_FILE
        self._chattering = Chattering(Rate())
        self._linkage = Linkage(identity.edge, clock)
        self._admission = Admission(identity.edge, self._chattering, self._linkage, clock)
        budget = Budget(configuration.spool_bytes, int(configuration.telemetry_days * 86_400_000))
        self._shelter = Shelter(configuration.data_dir / SPOOL_FILE, budget, clock)
        try:
            self._spool, self._replaced = self._shelter.open_first()
        except SpoolError as error:
            raise ConfigurationError([str(error)]) from None
        sender = identity.sender
        self._keys = Keys(sender, identity.root_secret.get_secret_value(), identity.key_number)
        road = Road(sender, identity.broker, self._spool.epoch, f"sanfang {version('sanfang')}")
        window = Window(self._spool.epoch, self._spool.marks(), Limits())
        self._uplink = Uplink(road, window, self._keys, self, clock)
        self._writer = SpoolWriter(self._spool, self._shelter, self._admission, self._uplink.note_stored, clock)
        self._shelter.on_epoch = self._follow_epoch
        self._reception = Reception(self._writer, self._admission, clock)
        self._supervisor = Supervisor(self._reception, clock)
        self._commands = CommandDesk(self._reception, self._linkage, self._supervisor.find_writer, clock)
        self._linkage.on_fired = self._perform_reflexes
        self._version = 0
        self._wanted: Settings | None = None
        self._refused: Settings | None = None
        self._applying: asyncio.Task[None] | None = None
        self._keeping = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._outputs: set[asyncio.Task[None]] = set()

    @property
    def ended(self) -> tuple[Future[None], Future[None]]:
        """Done when a thread ended by itself."""
        return self._writer.ended, self._uplink.ended

    @property
    def identity(self) -> Identity:
        """Who this edge is, and by which broker and credential it is reached."""
        return self._identity

    @property
    def reception(self) -> Reception:
        """Where observations come in."""
        return self._reception

    async def start(self) -> None:
        """Start from what is on the disk; neither hub nor broker is needed for it."""
        again = self._linkage.load(self._spool)
        cut_off = {reflex.command for reflex in again}
        interrupted = [each for each in self._spool.known.interrupted_commands() if each not in cut_off]
        self._writer.start()
        self._writer.submit(self._begin_epoch, urgent=True)
        self._uplink.start(SpoolReader(self._spool.place))
        await self._commands.report_interrupted(interrupted)
        try:
            kept = load_settings(self._settings_path)
        except SettingsRefused as refused:
            self._uplink.note_settings(0, shorten_faults(refused.faults))
            kept = None
        if kept is not None:
            await self._apply(kept, keep=False)
        self._commands.take_reflexes(again)
        self._start_task(Renewal(self._configuration.data_dir, self, self._clock).run())
        _log.info("the edge %s runs, epoch %d", self._identity.sender, self._spool.epoch)

    async def stop(self) -> None:
        """Stop the devices, write what was heard, close the street."""
        for task in self._tasks:
            task.cancel()
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

    def take_command(self, command: Command, hub_now_us: int | None) -> None:
        self._loop.call_soon_threadsafe(self._commands.take, command, hub_now_us)

    def take_settings(self, settings: Settings) -> None:
        self._loop.call_soon_threadsafe(self._want_settings, settings)

    def keep_broker(self, broker: BrokerAddress) -> None:
        self._loop.call_soon_threadsafe(self._begin_keeping, broker)

    def notice_hub(self, change: Change) -> None:
        told = self._writer.submit(partial(self._tell_hub, change), urgent=True, durable=False)
        told.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._drive_output, change, done))

    def notice_older_copy(self) -> None:
        self._writer.submit(self._meet_older_copy, urgent=True)

    def tell_again(self, telling: str) -> None:
        self._writer.submit(partial(self._tell_again, telling), urgent=True)

    def status(self) -> tuple[int, dict[str, int]]:
        counts = {
            **self._writer.dropped,
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

    def _meet_older_copy(self, spool: Spool) -> None:
        """What was told since the copy was made, nobody here knows: everything is told anew."""
        _log.error("the hub holds more than this spool ever gave out: it is an older copy, all is told anew")
        spool.known.forget_conditions()
        self._admission.report_own(
            spool, "lane.gap", None, reason="the edge's spool is an older copy of itself"
        )

    def _perform_reflexes(self, fired: list[Reflex]) -> None:
        self._loop.call_soon_threadsafe(self._commands.take_reflexes, fired)

    def _follow_epoch(self, spool: Spool) -> None:
        whole = not isinstance(spool.place, Memory)
        self._uplink.begin_epoch(EpochBegun(spool.epoch, spool.marks(), SpoolReader(spool.place), whole))

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

    def wish_broker(self, broker: BrokerAddress) -> None:
        self._uplink.wish_broker(broker)

    def tell_certificate(self, expiring: bool, days_left: int) -> None:
        def tell(spool: Spool) -> None:
            self._admission.report_own(spool, "certificate.expiring", expiring, days_left=days_left)

        self._writer.submit(tell, urgent=True)

    def _begin_keeping(self, broker: BrokerAddress) -> None:
        self._start_task(self._keep_broker(broker))

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_broker(self, broker: BrokerAddress) -> None:
        try:
            await self._keep_identity(broker=broker)
        except OSError as error:
            _log.error("the new broker could not be kept, and is tried again after a restart: %s", error)

    async def _keep_identity(self, **changes: Any) -> None:
        """Change who we are on the disk first, then in memory. Raises OSError."""
        async with self._keeping:
            identity = self._identity.model_copy(update=changes)
            await asyncio.to_thread(save_identity, self._configuration.data_dir, identity)
            self._identity = identity

    def _want_settings(self, settings: Settings) -> None:
        """Settings came. Those in force, and those being applied, need nothing; the newest word counts.

        Versions only rise: an older frame is an old one, played again, or a restored hub's, which learns from
        our heartbeat what it has to rise above.
        """
        if settings.version < self._version:
            self._uplink.counts["settings_older"] += 1
            return
        if self._applying is not None and not self._applying.done():
            if self._wanted is None or settings.version >= self._wanted.version:
                self._wanted = settings
            return
        if settings.version == self._version:
            self._uplink.note_settings(self._version, "")
            return
        if settings == self._refused:
            return
        self._applying = self._loop.create_task(self._apply(settings, keep=True))

    async def _apply(self, settings: Settings, *, keep: bool) -> None:
        """Apply settings whole, or refuse them whole and go on with those in force. The key number is taken
        in any case: a fault in the document must not keep an old key alive.
        """
        try:
            if keep and settings.key_number > self._identity.key_number:
                await self._keep_identity(key_number=settings.key_number)
                self._uplink.note_key(settings.key_number)
                _log.info("key %d is in use", settings.key_number)
            plan = plan_settings(settings, self._identity.sender, self._drivers)
            adapters = self._supervisor.prepare(plan)
            if keep:
                await asyncio.to_thread(save_settings, self._settings_path, settings)
        except SettingsRefused as refused:
            self._refuse(settings, refused.faults)
        except AdapterError as error:
            self._refuse(settings, [error.detail])
        except OSError as error:
            self._refuse(settings, [f"{self._configuration.data_dir}: cannot be written: {error.strerror}"])
            self._refused = None  # the disk may take them the next time
        else:
            await self._put_in_force(plan, adapters)
        wanted, self._wanted = self._wanted, None
        if wanted is not None and wanted.version > self._version:
            await self._apply(wanted, keep=True)

    async def _put_in_force(self, plan: Plan, adapters: list[Adapter]) -> None:
        known = {*plan.devices, self._identity.edge}

        def begin(spool: Spool) -> None:
            spool.known.forget_conditions(known)
            self._linkage.use(spool, plan.reflexes)

        self._writer.submit(begin, urgent=True)
        self._commands.use_devices(plan.devices)
        await self._supervisor.apply(plan, adapters)
        self._version, self._refused = plan.version, None
        _log.info(
            "settings %d are in force: %d devices on %d connections, %d reflexes",
            plan.version,
            len(plan.devices),
            len(plan.connections),
            len(plan.reflexes.rules),
        )
        self._uplink.note_settings(plan.version, "")
        if plan.broker is not None:
            place = {"host": plan.broker.host, "port": plan.broker.port}
            self._uplink.wish_broker(self._identity.broker.model_copy(update=place))

    def _refuse(self, settings: Settings, faults: list[str]) -> None:
        _log.error("settings %d are refused: %s", settings.version, "; ".join(faults))
        self._refused = settings
        self._uplink.note_settings(settings.version, shorten_faults(faults))
