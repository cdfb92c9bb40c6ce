"""Looks after the edges and the hub's own parts: heartbeats, silence, settings, liveness, timers."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from adapters.contract.error import WireError
from adapters.contract.message import Heartbeat
from adapters.contract.topic import Sender
from adapters.contract.vocabulary import Lane
from hub.clock import wall_now
from hub.domain.judgement import Input, TickInput
from hub.domain.moment import microseconds
from hub.intake.clerk import Clerk
from hub.intake.clock import ClockSight
from hub.intake.exchange import Answer, answer_heartbeat, read_heartbeat
from hub.intake.expiry import Expiry
from hub.intake.gate import Doubt, Message, Refusal
from hub.intake.held import OFFLINE, HeldSite
from hub.intake.lane import Throttle
from hub.intake.listening import Listening, recover_listening
from hub.intake.parcel import JournalLine, Notice, Parcel
from hub.intake.post import Post
from hub.intake.supervision import EdgeWatch, broker_notice, chores_notice, clock_notice
from hub.store.database import Connection, Row, transaction
from hub.store.edge import (
    HeartbeatFacts,
    load_edges,
    load_settings,
    raise_key_number,
    raise_settings_version,
    save_heartbeat,
)
from hub.store.identity import note_loss, telling_of
from hub.store.liveness import load_liveness, save_liveness
from hub.store.quarantine import QuarantineRow

_log: Final = logging.getLogger(__name__)

PROCESS: Final = "worker"
_KEPT_BYTES: Final = 4_096
"""So much of a frame that proves nothing is kept."""
_KEPT_EVERY_S: Final = 6.0
"""And of one edge at most one in this time: a stranger cannot fill the disk."""
_SETTINGS_EVERY_S: Final = 5.0
_SETTINGS_BYTES_S: Final = 4_000
"""A slow line is given time for large settings before they are sent again."""
_REFUSED_SETTINGS_EVERY_S: Final = 60.0
_HINT_EVERY_S: Final = 10.0
_MOST_VERSION: Final = 2**62
_OUTAGE_S: Final = 10.0
_STALL_S: Final = 5.0
"""A worker that was stopped for longer was not listening meanwhile."""
_STRANGER: Final = "unknown"


class Warden:
    """Its memory outlives the connection to the database: what was heard was heard."""

    def __init__(
        self,
        post: Post,
        broker_away_s: Callable[[], float],
        started_at: datetime,
        now_s: float,
        *,
        expiry: Expiry | None = None,
    ) -> None:
        self._post = post
        self._broker_away_s = broker_away_s
        self._expiry = expiry or Expiry({})
        self._started_at = started_at
        self._started_s = now_s
        self._watches: dict[Sender, EdgeWatch] = {}
        self._edges: dict[str, dict[str, Row]] = {}
        self._listening: dict[str, Listening] = {}
        self._listening_since_s = now_s
        self._beaten_s = now_s
        self._beaten_at = started_at
        self._greeted: set[str] = set()
        self._keep = Throttle[Sender](_KEPT_EVERY_S)
        self._hint = Throttle[Sender](_HINT_EVERY_S)
        self._push_at: dict[Sender, float] = {}
        self.counts: Counter[str] = Counter()

    def sight(self, sender: Sender) -> ClockSight | None:
        """An edge's clock, where its heartbeat has shown it."""
        watch = self._watches.get(sender)
        return None if watch is None else watch.sight

    def note_dropped(self, senders: Iterable[Sender], now_s: float) -> None:
        """These edges sent tombstones."""
        for sender in senders:
            self._watch(sender).dropped_s = now_s

    def welcome(self, clerk: Clerk, site: str, now: datetime, now_s: float, outage_s: float) -> None:
        """A site was just taken over: what listening a crash cut off, and that the hub is back. The
        edges' silence counts from here: what they sent meanwhile was not looked at.
        """
        connection = clerk.connection
        self._listening_since_s = self._beaten_s = now_s
        inputs = recover_listening(load_liveness(connection, PROCESS, site))
        notices = []
        if site not in self._greeted:
            notices = [Notice("hub.restarted", "hub", None), Notice("rule.broken", "hub", False)]
        if outage_s > _OUTAGE_S:
            told = {"away_s": round(outage_s)}
            notices.append(Notice("store.unavailable", "hub:store", True, told))
        self._listening[site] = Listening()
        self._edges[site] = {row["edge"]: row for row in load_edges(connection, site)}
        self._write(clerk, site, now, notices, inputs)
        if outage_s > _OUTAGE_S:
            self._write(clerk, site, now, [Notice("store.unavailable", "hub:store", False)], [])
        self._greeted.add(site)

    def take_heartbeats(self, clerk: Clerk, messages: Iterable[Message], now: datetime, now_s: float) -> None:
        """Keep what heartbeats say, close gaps that cannot be filled, then answer each."""
        for message in messages:
            sender = message.sender
            held = clerk.sites.get(sender.site)
            if held is None:
                continue
            try:
                heartbeat = read_heartbeat(message.payload)
            except WireError as error:
                self.counts["heartbeats_unreadable"] += 1
                _log.warning("%s: heartbeat: %s", sender, error.detail)
                continue
            watch = self._watch(sender)
            watch.hear(heartbeat, message.header.epoch, microseconds(message.at), now_s)
            answer = answer_heartbeat(sender.edge, heartbeat, held.cursors)
            notices = [*answer.notices, *watch.notices(self._listening_since_s, now_s)]
            self._keep_heartbeat(clerk, held, sender, heartbeat, answer, notices, message.at, now)
            cursors = {(epoch, lane): position for (_, epoch, lane), position in answer.cursors.items()}
            telling = telling_of(clerk.connection, sender.site, sender.edge)
            self._post.receipt(sender, cursors, now, heartbeat.nonce, telling)
            self._push_settings(clerk, sender, now_s)

    def keep_refusals(self, clerk: Clerk, refusals: Iterable[Refusal], now: datetime, now_s: float) -> None:
        """Remember frames that were not taken; of unproved ones the first 4 KB go into quarantine."""
        kept: dict[str, list[QuarantineRow]] = {}
        for refusal in refusals:
            sender = refusal.sender
            self.counts[f"refused_{refusal.doubt.name.lower()}"] += 1
            if sender.site not in clerk.sites:
                continue
            known = sender.edge in self._edges.get(sender.site, {})
            watch = self._watch(sender if known else Sender(sender.site, _STRANGER))
            if refusal.doubt is Doubt.INCOMPATIBLE:
                watch.incompatible_s = now_s
                if known and self._hint.passes(sender, now_s):
                    # It says nothing, in our version: so that the edge learns of it, too.
                    self._post.receipt(sender, {}, now)
                continue
            if refusal.doubt is Doubt.UNVERIFIED:
                watch.unverified.append(now_s)
            if self._keep.passes(Sender(sender.site, watch.edge), now_s):
                kept.setdefault(sender.site, []).append(_row(refusal))
        for site, rows in kept.items():

            def build(held: HeldSite, rows: list[QuarantineRow] = rows) -> Parcel:
                parcel = Parcel(held.site, held.next_moment(now), "alarm")
                parcel.held += rows
                return parcel

            clerk.write(site, build)

    def beat(
        self, clerk: Clerk, now: datetime, now_s: float, detail: Mapping[str, Any]
    ) -> list[tuple[str, int]]:
        """Each second: who is silent, who must get settings, timers, and the liveness row. Returns the
        (site, quarantine) that people want tried again.
        """
        away_s = self._broker_away_s()
        stalled = now_s - self._beaten_s > _STALL_S
        until, until_s = (self._beaten_at, self._beaten_s) if stalled else (now, now_s)
        if away_s or stalled:
            self._listening_since_s = now_s
        self._beaten_s, self._beaten_at = now_s, now
        chores = load_liveness(clerk.connection, "chores")
        common = [
            broker_notice(away_s),
            clock_notice(wall_now(), now),
            *chores_notice(chores["at"] if chores else None, now, now_s - self._started_s),
            *self._expiry.notices(now, now_s),
        ]
        retries = []
        for site in list(clerk.sites):
            self._edges[site] = {row["edge"]: row for row in load_edges(clerk.connection, site)}
            notices = [*common, *self._edge_notices(site, now_s)]
            listening, present = self._listening[site], clerk.sites[site].present(now)
            inputs: list[Input] = []
            if away_s or stalled:
                inputs += listening.end(clerk.sites[site].present(until), until_s)
            if not away_s:
                listening.begin(present, now_s)
                inputs += listening.look(present, now_s)
            told = {**detail, **listening.told(present, now_s)}

            def renew(connection: Connection, site: str = site, told: Mapping[str, Any] = told) -> None:
                save_liveness(connection, PROCESS, [site], started_at=self._started_at, at=now, detail=told)

            retries += [(site, n) for n in self._write(clerk, site, now, notices, inputs, before=renew)]
            for edge in self._edges[site]:
                self._push_settings(clerk, Sender(site, edge), now_s)
        return retries

    def tick(self, clerk: Clerk, now: datetime, now_s: float) -> list[tuple[str, int]]:
        """Let time come to now at every site where a timer is due and somebody listened: to the site's own
        now, which is ahead of the clock where that was set back. The timers were set by it.
        """
        retries = []
        for site, held in list(clerk.sites.items()):
            due, present = held.judge.next_timer(), held.present(now)
            listening = self._listening[site]
            if due is None or due > present or listening.fed_until is None:
                continue
            inputs: list[Input] = [*listening.feed(present, now_s), TickInput(present)]
            retries += [(site, number) for number in self._write(clerk, site, now, [], inputs)]
        return retries

    def close(self, clerk: Clerk, now: datetime, now_s: float) -> None:
        """The worker ends: so does its listening."""
        for site in list(clerk.sites):
            inputs: list[Input] = list(self._listening[site].end(clerk.sites[site].present(now), now_s))
            if inputs:
                self._write(clerk, site, now, [], inputs)

    def _write(
        self,
        clerk: Clerk,
        site: str,
        now: datetime,
        notices: list[Notice],
        inputs: Iterable[Input],
        *,
        before: Callable[[Connection], None] | None = None,
    ) -> list[int]:
        """Write what is news of these; without any, only what belongs before it, outside a turn."""
        fed = list(inputs)
        if not fed and not any(clerk.sites[site].is_news(notice) for notice in notices):
            if before is not None:
                with transaction(clerk.connection):
                    before(clerk.connection)
            return []
        return clerk.write(site, lambda held: _build(held, now, notices, fed), before=before)

    def _keep_heartbeat(
        self,
        clerk: Clerk,
        held: HeldSite,
        sender: Sender,
        heartbeat: Heartbeat,
        answer: Answer,
        notices: list[Notice],
        at: datetime,
        now: datetime,
    ) -> None:
        facts = HeartbeatFacts(
            heard_at=at,
            clock_offset_s=(heartbeat.edge_at - microseconds(at)) / 1e6,
            settings_applied=max(0, heartbeat.settings_version),
            settings_error=heartbeat.settings_error,
            status={
                "spool_bytes": heartbeat.spool_bytes,
                "dropped": heartbeat.dropped,
                "software": heartbeat.software[:100],
                "uptime_s": heartbeat.uptime_ms // 1000,
            },
        )

        def keep(connection: Connection) -> None:
            save_heartbeat(connection, sender.site, sender.edge, facts)
            if any(lane == Lane.ALARM for _, _, lane in answer.closed):
                note_loss(connection, sender.site, sender.edge)

        if not answer.closed and not any(held.is_news(notice) for notice in notices):
            with transaction(clerk.connection):
                keep(clerk.connection)
            return

        def build(held: HeldSite) -> Parcel:
            parcel = _build(held, now, notices, [])
            parcel.cursors.update(answer.closed)
            return parcel

        clerk.write(sender.site, build, before=keep)

    def _edge_notices(self, site: str, now_s: float) -> list[Notice]:
        found = []
        for edge, row in self._edges[site].items():
            notices = self._watch(Sender(site, edge)).notices(self._listening_since_s, now_s)
            found += [each for each in notices if row["enrolled"] or each.kind == "edge.unverified"]
        stranger = self._watches.get(Sender(site, _STRANGER))
        if stranger is not None:
            notices = stranger.notices(self._listening_since_s, now_s)
            found += [each for each in notices if each.kind == "edge.unverified"]
        return found

    def note_keys(self, clerk: Clerk, turned: Mapping[Sender, int]) -> None:
        """These edges speak with a newer key: the older ones are refused from now on."""
        for sender, number in turned.items():
            if sender.site in clerk.sites:
                with transaction(clerk.connection):
                    raise_key_number(clerk.connection, sender.site, sender.edge, number)
                _log.info("%s signs with key %d; older ones are refused", sender, number)

    def _push_settings(self, clerk: Clerk, sender: Sender, now_s: float) -> None:
        watch, row = self._watch(sender), self._edges[sender.site].get(sender.edge)
        if row is None or watch.settings_applied in (None, row["settings_version"]):
            self._push_at.pop(sender, None)
            return
        if now_s < self._push_at.get(sender, 0.0):
            return
        applied = watch.settings_applied
        assert applied is not None
        if applied > row["settings_version"] and applied < _MOST_VERSION:
            with transaction(clerk.connection):
                raise_settings_version(clerk.connection, sender.site, sender.edge, applied)
        wanted = load_settings(clerk.connection, sender.site, sender.edge)
        if wanted is None or wanted.version == applied:
            return
        every_s = _REFUSED_SETTINGS_EVERY_S if watch.settings_error else _SETTINGS_EVERY_S
        self._push_at[sender] = now_s + every_s + self._post.settings(sender, wanted) / _SETTINGS_BYTES_S

    def _watch(self, sender: Sender) -> EdgeWatch:
        watch = self._watches.get(sender)
        if watch is None:
            watch = self._watches[sender] = EdgeWatch(sender.edge)
        return watch


def _build(held: HeldSite, now: datetime, notices: Iterable[Notice], inputs: Iterable[Input]) -> Parcel:
    fed = list(inputs)
    parcel = Parcel(held.site, held.next_moment(now), "tick" if fed else "alarm")
    parcel.inputs += fed
    for notice in notices:
        parcel.note(notice)
        if notice.kind == OFFLINE and held.is_news(notice):
            body = {"edge": notice.device.removeprefix("edge:"), **notice.attributes}
            kind = "edge.offline" if notice.active else "edge.online"
            parcel.journal.append(JournalLine(notice.device, kind, body))
    return parcel


def _row(refusal: Refusal) -> QuarantineRow:
    return QuarantineRow(
        edge=refusal.sender.edge,
        epoch=None,
        lane=None,
        sequence=None,
        ordinal=None,
        code=refusal.code,
        reason=refusal.reason,
        late=None,
        payload=refusal.frame[:_KEPT_BYTES],
        size_bytes=len(refusal.frame),
    )
