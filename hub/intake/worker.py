"""The intake worker: one thread, one dedicated connection, which holds its sites and commits both lanes.

Whoever loses the connection has lost the sites: the memory is thrown away, and what was not
committed is taken again over the next one. Receipts go out only after a commit.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
from datetime import date, datetime
from typing import Any, Final

from adapters.contract.message import GapRequest
from adapters.contract.topic import Sender
from hub import watchdog
from hub.clock import resume_from, steady_s, utc_now
from hub.domain.error import StoreUnavailable
from hub.intake.backlog import Backlog, Pace
from hub.intake.clerk import Clerk
from hub.intake.commander import Commander
from hub.intake.expiry import Expiry
from hub.intake.gate import Gate, Message, Refusal
from hub.intake.inbox import ALARM, HEARTBEAT, TELEMETRY, Inbox
from hub.intake.post import Post
from hub.intake.quarantine import retry_item
from hub.intake.run import open_run
from hub.intake.subscriber import Subscriber
from hub.intake.transaction import Court
from hub.intake.warden import Warden
from hub.rulebook.book import load_book
from hub.rules.engine import Engine
from hub.settings import BrokerSettings, HubSettings
from hub.store.cursor import newest_cursors
from hub.store.database import connect, hold_site, limit_silence, limit_statements, watched
from hub.store.history import journal_heads
from hub.store.liveness import last_alive
from hub.store.migration import layout_of
from hub.store.partition import open_partitions
from hub.store.reading import prepare_connection
from hub.store.site import edge_keys, list_sites
from hub.tls import certificate_files

_log: Final = logging.getLogger(__name__)

_BEAT_S: Final = 1.0
_POLL_S: Final = 0.1
"""So often timers and the journal's end are looked at while nothing arrives."""
_CLAIM_S: Final = 1.0
_BACK_OFF_S: Final = (0.2, 2.0)
_OPENED: Final = {ALARM: 512, TELEMETRY: 64}
"""Messages opened ahead of their transaction: live alarms come one a message and share a commit."""
_OPENED_BYTES: Final = 512 * 1024
_HEARTBEATS: Final = 200
_COLLECTED_EVERY: Final = 20_000
"""Objects made before the collector looks at the young ones: about those of one backlog batch."""


class Worker:
    """Everything between the inbox and the commit. Not thread-safe: one thread runs it."""

    def __init__(
        self,
        database: str,
        broker: BrokerSettings,
        court: Court,
        *,
        owner: str,
        former: BrokerSettings | None = None,
        expiry: Expiry | None = None,
    ) -> None:
        self._database = database
        self._owner = owner
        """The database as its owner has it, for partitions."""
        self._court = court
        self._inbox = Inbox()
        self._subscriber = Subscriber(broker, self._inbox, former=former)
        self._gate = Gate(self._load_keys)
        self._post = Post(self._gate, self._subscriber)
        self._commander = Commander(self._post.send)
        self._warden = Warden(self._post, self._subscriber.away_s, utc_now(), steady_s(), expiry=expiry)
        self._backlogs = {
            ALARM: Backlog(lambda item: 1),
            TELEMETRY: Backlog(lambda item: len(item.data)),
        }
        self._paces = {
            ALARM: Pace(target_s=0.1, start=32, least=4, most=1_000),
            TELEMETRY: Pace(target_s=0.025, start=64 * 1024, least=32 * 1024, most=256 * 1024),
        }
        self._stopping = threading.Event()
        self._clerk: Clerk | None = None
        self._lost_s: float | None = None
        self._due = {"beat": 0.0, "poll": 0.0, "claim": 0.0}
        self._partitions_for = date.min
        self._asked: set[str] = set()
        """Sites whose edges were asked what they hold since we took them over and the broker is there."""

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopping.set()
        self._inbox.wake()

    def run(self) -> None:
        """Work until stopped; a database that is away is waited for."""
        self._subscriber.start()
        delay_s = _BACK_OFF_S[0]
        try:
            while not self._stopping.is_set():
                watchdog.pet()
                try:
                    self._work_connected()
                except StoreUnavailable as error:
                    if self._lost_s is None or self._clerk is not None:
                        _log.warning("the database is away: %s", error)
                        self._lost_s, delay_s = steady_s(), _BACK_OFF_S[0]
                    self._clerk = None
                    self._stopping.wait(delay_s)
                    delay_s = min(2 * delay_s, _BACK_OFF_S[1])
        finally:
            self._subscriber.stop()

    def _work_connected(self) -> None:
        connection = prepare_connection(connect(self._database, application="sanfang worker"))
        try:
            with watched(connection):
                limit_silence(connection)
                for pace in self._paces.values():
                    pace.begin()
                self._clerk = clerk = Clerk(connection, self._court, self._warden.sight)
                self._gate.reload()
                self._due = dict.fromkeys(self._due, 0.0)
                self._asked.clear()
                while not self._stopping.is_set():
                    if not any(self._backlogs.values()):  # what was opened and did not fit goes on at once
                        self._inbox.wait(_POLL_S)
                    self._step(clerk)
                self._warden.close(clerk, utc_now(), steady_s())
        finally:
            connection.close()

    def _step(self, clerk: Clerk) -> None:
        """One round: alarms, heartbeats, then telemetry if no alarm waits; then what time asks for."""
        if self._is_due("claim", _CLAIM_S):
            self._claim(clerk)
        self._ask(clerk)
        self._ask_again()
        self._refill(clerk)
        acted = self._take(clerk, ALARM)
        heartbeats = self._admit(clerk, HEARTBEAT, _HEARTBEATS, _OPENED_BYTES)
        if heartbeats:
            self._warden.take_heartbeats(clerk, heartbeats, utc_now(), steady_s())
        if not self._backlogs[ALARM]:
            acted |= self._take(clerk, TELEMETRY)
        if self._is_due("beat", _BEAT_S):
            watchdog.pet()
            retries = self._warden.beat(clerk, utc_now(), steady_s(), self._tell())
            self._retry(clerk, retries)
            if turned := self._gate.turned(steady_s()):
                self._warden.note_keys(clerk, turned)
                self._gate.reload()
            acted = True
        if self._is_due("poll", _POLL_S):
            self._retry(clerk, self._warden.tick(clerk, utc_now(), steady_s()))
            acted |= self._consume_journal(clerk)
        if acted:
            self._command(clerk)

    def _claim(self, clerk: Clerk) -> None:
        """Hold every site that nobody else holds."""
        resume_from(last_alive(clerk.connection))
        now = utc_now()
        if now.date() != self._partitions_for:
            self._open_partitions(now)
            self._partitions_for = now.date()
        for site in list_sites(clerk.connection):
            if site not in clerk.sites and hold_site(clerk.connection, site):
                outage_s = 0.0 if self._lost_s is None else steady_s() - self._lost_s
                clerk.hold(site, now)
                self._warden.welcome(clerk, site, now, steady_s(), outage_s)
                _log.info("%s is held", site)
        self._lost_s = None
        self._subscriber.watch(clerk.sites)

    def _open_partitions(self, now: datetime) -> None:
        connection = connect(self._owner, application="sanfang worker upkeep")
        try:
            with watched(connection):
                open_partitions(limit_statements(connection), layout_of(connection), now)
        finally:
            connection.close()

    def _ask(self, clerk: Clerk) -> None:
        """The exchange follows every take-over of a site: ask its edges for what comes after the cursor. What a
        dead worker took with it comes again at once, and each edge says what it holds.
        """
        if self._subscriber.away_s():
            self._asked.clear()
            return
        for site in clerk.sites.keys() - self._asked:
            for (edge, epoch, lane), position in newest_cursors(clerk.connection, site).items():
                self._post.send(Sender(site, edge), GapRequest(epoch, lane, position + 1))
            self._asked.add(site)

    def _ask_again(self) -> None:
        """There is room again for what the inbox had to drop."""
        for sender, epoch, lane, first in self._inbox.missed():
            self._post.send(sender, GapRequest(epoch, lane, first))

    def _refill(self, clerk: Clerk) -> None:
        """Open what has arrived, as far as there is room before the transactions."""
        for what, backlog in self._backlogs.items():
            if len(backlog) < _OPENED[what]:
                for message in self._admit(clerk, what, _OPENED[what] - len(backlog), _OPENED_BYTES):
                    backlog.add(open_run(message))

    def _admit(self, clerk: Clerk, what: str, most: int, most_bytes: int) -> list[Message]:
        """Messages whose sender is proved; the others are remembered as refused."""
        messages: list[Message] = []
        refusals: list[Refusal] = []
        for arrival in self._inbox.take(what, most, most_bytes):
            opened = self._gate.admit(arrival)
            if isinstance(opened, Message):
                messages.append(opened)
            else:
                refusals.append(opened)
        if refusals:
            self._warden.keep_refusals(clerk, refusals, utc_now(), steady_s())
        return messages

    def _take(self, clerk: Clerk, what: str) -> bool:
        """One transaction of a lane, and its receipts; False where nothing waited."""
        backlog, pace = self._backlogs[what], self._paces[what]
        runs, weight = backlog.choose(pace.budget)
        if not runs:
            return False
        now, began_s = utc_now(), steady_s()
        outcome = clerk.take_runs([run.by_clock(now, began_s) for run in runs], now)
        backlog.settle()
        pace.learn(weight, steady_s() - began_s)
        self._post.answer(outcome, utc_now(), steady_s())
        self._warden.note_dropped(outcome.dropped, steady_s())
        self._retry(clerk, outcome.retries)
        return what == ALARM or bool(outcome.retries)

    def _consume_journal(self, clerk: Clerk) -> bool:
        """Feed what people and chores have journaled, if anything."""
        heads = journal_heads(clerk.connection, list(clerk.sites)) if clerk.sites else {}
        waiting = [site for site, seq in heads.items() if seq > clerk.sites[site].consumed]
        for site in waiting:
            self._retry(clerk, [(site, number) for number in clerk.consume(site)])
        return bool(waiting)

    def _retry(self, clerk: Clerk, wanted: list[tuple[str, int]]) -> None:
        for site, number in wanted:
            retry_item(clerk, site, number, utc_now())

    def _command(self, clerk: Clerk) -> None:
        for site, held in clerk.sites.items():
            end = self._commander.send(clerk.connection, site, utc_now(), steady_s())
            if end is not None:
                held.consumed = end

    def _load_keys(self) -> Any:
        if self._clerk is None:
            raise AssertionError("keys are read while connected")
        return edge_keys(self._clerk.connection)

    def _is_due(self, what: str, every_s: float) -> bool:
        now_s = steady_s()
        if now_s < self._due[what]:
            return False
        self._due[what] = now_s + every_s
        return True

    def _tell(self) -> dict[str, Any]:
        """What the liveness row says besides being there."""
        clerk = self._clerk
        return {
            "pid": os.getpid(),
            "broker": self._subscriber.away_s() == 0,
            "connections": self._subscriber.told(),
            "waiting": self._inbox.depth(),
            "dropped": dict(self._inbox.dropped),
            "strangers": self._subscriber.strangers,
            "sent": dict(self._post.sent),
            "counts": {**(clerk.counts if clerk else {}), **self._warden.counts},
        }


def run_worker(settings: HubSettings, owner: str) -> int:
    """Run one worker until SIGTERM or SIGINT; `owner` is the database as its owner has it, who alone makes
    partitions. Raises ConfigurationError for a faulty rule book.
    """
    book = load_book(settings.rules, settings.plans)
    court = Court(book, lambda model: Engine(book, model))
    expiry = Expiry(certificate_files(settings))
    worker = Worker(
        settings.database, settings.broker, court, former=settings.former_broker, expiry=expiry, owner=owner
    )

    def leave(_number: int, _frame: object) -> None:
        worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    # What was imported stays for good, and what a batch makes lives as long as its transaction: the collector
    # need not walk the one for the other's sake.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTED_EVERY)
    worker.run()
    return 0
