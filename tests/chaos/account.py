"""The account after the fire: what was said held against what is stored, judged and shown."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from adapters.contract.vocabulary import Lane
from hub.domain.chain import canonical, hash_row
from tests.chaos.campus import Campus, Measurement, Saying
from tests.chaos.school import EDGES, SITE
from tests.chaos.street import Street

ALARMING: Final = frozenset({"panic.pressed", "door.forced"})
LOST_WITH_BROKER_S: Final = 15.0
"""Telemetry that its broker had when it was killed is gone, and no device says it again."""
EDGES_BACK_S: Final = 5.0
"""So long after the devices an edge may come back to their broker, which keeps nothing for it meanwhile."""
Place = tuple[str, int, int, int]
"""(edge, epoch, lane, sequence)"""


@dataclass(slots=True)
class Account:
    """Findings (should be empty) and figures."""

    findings: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def expect_none(self, what: str, things: Iterable[Any]) -> None:
        """Everything in `things` is a finding."""
        found = list(things)
        if found:
            self.findings.append(f"{what}: {len(found)}, first {[str(one) for one in found[:3]]}")


def balance(street: Street, campus: Campus, restored: list[str]) -> Account:
    """Hold ledger, store, journal and screen against each other; everything has been mended and drained."""
    account = Account()
    with street.connect() as connection:
        stored = _stored(connection)
        gaps = _announced_gaps(connection)
        excused = _excused(street, restored, gaps, account)
        _check_events(account, connection, campus.sayings, stored, excused)
        _check_conditions(account, connection, campus.sayings, excused)
        _check_alarms(account, connection, campus.sayings, stored)
        _check_readings(account, connection, campus, excused)
        check_lanes(account, connection)
        _check_journal(account, connection)
        held = connection.execute("SELECT edge, lane, code, reason FROM quarantine").fetchall()
        account.expect_none("held in quarantine", held)
        unjudged = connection.execute("SELECT subject, condition FROM alarm WHERE unjudged").fetchall()
        account.expect_none("left unjudged", unjudged)
        broken = connection.execute("SELECT body FROM journal WHERE body->>'kind' = 'rule.broken'").fetchall()
        account.expect_none("broken rules", broken)
        open_alarms = {
            str(row[0]) for row in connection.execute("SELECT alarm FROM alarm WHERE state <> 'closed'")
        }
    account.figures |= {"open alarms": len(open_alarms), "kills": street.kills}
    return account


def _stored(connection: Any) -> dict[str, list[Place]]:
    """Where each of our events is stored, by the device's id."""
    found: dict[str, list[Place]] = defaultdict(list)
    for identity, *place in connection.execute(
        "SELECT identity, edge, epoch, lane, sequence FROM events WHERE identity <> ''"
    ):
        found[identity].append((place[0], place[1], place[2], place[3]))
    return found


def _announced_gaps(connection: Any) -> list[tuple[str, int, str, int, int]]:
    """(edge, epoch, lane, first, last) of each gap that the hub announced."""
    gaps = []
    for edge, told in connection.execute("SELECT device, attributes FROM events WHERE kind = 'lane.gap'"):
        if "first" in told:
            name = edge.removeprefix("edge:")
            gaps.append((name, int(told["epoch"]), told["lane"], int(told["first"]), int(told["last"])))
    return gaps


def _excused(
    street: Street, restored: list[str], gaps: list[tuple[str, int, str, int, int]], account: Account
) -> dict[str, set[Any]]:
    """What a replaced database held and the edges had already deleted: it may be missing, if it was announced.

    Returns the ids of events and the (device, value) of readings that may be missing.
    """
    lanes = {lane.name.lower(): int(lane) for lane in Lane}
    ranges: dict[tuple[str, int, int], list[tuple[int, int]]] = defaultdict(list)
    for edge, epoch, lane, first, last in gaps:
        ranges[edge, epoch, lanes[lane]].append((first, last))
    excused: dict[str, set[Any]] = {"events": set(), "readings": set()}
    announced = sum(last - first + 1 for spans in ranges.values() for first, last in spans)
    for name in restored:
        with street.connect(name) as before:
            for identity, places in _stored(before).items():
                for edge, epoch, number, sequence in places:
                    if any(first <= sequence <= last for first, last in ranges[edge, epoch, number]):
                        excused["events"].add(identity)
            excused["readings"] |= set(_readings(before))
    account.figures["gaps announced"] = f"{len(gaps)} ({announced} items)"
    if gaps and not restored:
        account.findings.append(f"gaps announced though nothing was restored: {gaps[:3]}")
    return excused


def _check_events(
    account: Account,
    connection: Any,
    sayings: list[Saying],
    stored: Mapping[str, list[Place]],
    excused: Mapping[str, set[Any]],
) -> None:
    tombstones = connection.execute(
        "SELECT lane, COALESCE(sum(count), 0) FROM tombstone GROUP BY lane"
    ).fetchall()
    dropped = {int(lane): int(count) for lane, count in tombstones}
    missing = [one for one in sayings if one.identity not in stored and one.identity not in excused["events"]]
    alarms = [one for one in missing if one.kind != "access.granted"]
    others = [one for one in missing if one.kind == "access.granted"]
    account.expect_none("events missing", map(_name, alarms))
    if len(others) > dropped.get(int(Lane.TELEMETRY), 0):
        account.expect_none(
            f"telemetry events missing ({dropped.get(int(Lane.TELEMETRY), 0)} dropped)", map(_name, others)
        )
    account.expect_none(
        "stored more than once",
        (f"{identity} {places}" for identity, places in stored.items() if len(places) > 1),
    )
    account.figures |= {"events": len(sayings), "excused": len(excused["events"]), "dropped": dropped}


def _check_conditions(
    account: Account, connection: Any, sayings: list[Saying], excused: Mapping[str, set[Any]]
) -> None:
    """What a door said last is what the hub believes."""
    last: dict[tuple[str, str], Saying] = {}
    for saying in sayings:
        if saying.active is not None:
            last[saying.device, saying.kind] = saying
    known = {
        (row[0], row[1]): row[2]
        for row in connection.execute("SELECT device, kind, active FROM condition WHERE address = ''")
    }
    account.expect_none(
        "conditions that the hub has wrong",
        (
            _name(saying)
            for key, saying in last.items()
            if known.get(key) is not saying.active and saying.identity not in excused["events"]
        ),
    )


def _check_alarms(
    account: Account, connection: Any, sayings: list[Saying], stored: Mapping[str, list[Place]]
) -> None:
    twice = connection.execute(
        "SELECT subject, condition, count(*) FROM alarm WHERE kind = ANY(%s)"
        " GROUP BY site, subject, condition HAVING count(*) > 1",
        (sorted(ALARMING),),
    ).fetchall()
    account.expect_none("alarms twice", twice)
    evidence = Counter(
        row[0]
        for row in connection.execute(
            "SELECT e.identity FROM alarm_evidence v JOIN events e ON e.site = v.site AND e.event = v.event"
        )
    )
    raising = [one for one in sayings if one.kind in ALARMING and one.active is not False]
    account.expect_none(
        "without an alarm",
        (_name(one) for one in raising if one.identity in stored and not evidence[one.identity]),
    )
    account.expect_none(
        "evidence twice",
        (f"{identity} {count}" for identity, count in evidence.items() if count > 1 and identity),
    )


def _readings(connection: Any) -> Counter[tuple[str, float]]:
    return Counter(
        {
            (row[0], round(row[1], 6)): row[2]
            for row in connection.execute(
                "SELECT s.device, r.value, count(*) FROM readings r JOIN series s USING (site, series)"
                " WHERE s.point = 'temperature_c' GROUP BY 1, 2"
            )
        }
    )


def _check_readings(account: Account, connection: Any, campus: Campus, excused: Mapping[str, set[Any]]) -> None:
    stored = _readings(connection)
    sent = {(one.device, round(one.value, 6)): one for one in campus.measurements}
    dropped = connection.execute("SELECT count(*) FROM tombstone WHERE lane = 2").fetchone()[0]

    def lost_with_broker(one: Measurement) -> bool:
        return any(
            lost - LOST_WITH_BROKER_S <= one.at_s <= found + EDGES_BACK_S for lost, found in campus.losses
        )

    missing = [
        one
        for key, one in sent.items()
        if key not in stored and key not in excused["readings"] and not lost_with_broker(one)
    ]
    if not dropped:
        account.expect_none("readings missing", missing)
    account.expect_none("readings that nobody sent", (key for key in stored if key not in sent))
    account.figures |= {
        "readings": len(sent),
        "readings stored": len(stored),
        "readings stored again": sum(count - 1 for count in stored.values()),
        "readings missing": len(missing),
    }


def check_lanes(account: Account, connection: Any) -> None:
    """What the rules were fed of each alarm lane came in the lane's order, nothing twice; and every event of it
    that is stored was fed.

    An item may lack a row in the history: a command's result asks no rule, and of conditions that are told anew
    what is known already is neither stored nor fed.
    """
    fed: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    faults = []
    for position, ref in connection.execute(
        "SELECT position, ref FROM history WHERE site = %s AND source = 'alarm' ORDER BY position", (SITE,)
    ):
        for edge, epoch, lane, first, count in ref.get("runs", []):
            if lane != Lane.ALARM:
                continue
            spans = fed[edge, int(epoch)]
            if spans and first < spans[-1][1]:
                faults.append((position, edge, epoch, first, spans[-1][1]))
            spans.append((first, first + count))
    account.expect_none("fed again, or behind what follows it", faults)
    unfed = []
    for edge, epoch, sequence in connection.execute(
        "SELECT DISTINCT edge, epoch, sequence FROM events WHERE site = %s AND lane = %s AND edge = ANY(%s)",
        (SITE, int(Lane.ALARM), list(EDGES)),
    ):
        spans = fed[edge, int(epoch)]
        at = bisect_right(spans, (sequence, sys.maxsize)) - 1
        if at < 0 or sequence >= spans[at][1]:
            unfed.append((edge, epoch, sequence))
    account.expect_none("stored and never fed to the rules", unfed)
    cursors = connection.execute(
        "SELECT edge, epoch, position FROM cursor WHERE site = %s AND lane = %s", (SITE, int(Lane.ALARM))
    ).fetchall()
    behind = [
        (edge, epoch, position)
        for edge, epoch, position in cursors
        if fed[edge, int(epoch)] and fed[edge, int(epoch)][-1][1] - 1 > position
    ]
    account.expect_none("fed beyond the cursor", behind)
    account.figures["alarm lanes"] = len(fed)
    known = sum(
        position - sum(end - first for first, end in fed[edge, int(epoch)]) for edge, epoch, position in cursors
    )
    account.figures["alarm items not fed"] = f"{known} (results, told anew and known)"


def _check_journal(account: Account, connection: Any) -> None:
    """The journal's chain, row by row."""
    previous, expected = b"\0" * 32, 1
    faults = []
    for seq, at, actor, subject, kind, body, prev_hash, row_hash in connection.execute(
        "SELECT seq, at, actor, subject, kind, body, prev_hash, hash FROM journal WHERE site = %s ORDER BY seq",
        (SITE,),
    ):
        right = hash_row(previous, SITE, seq, at, actor, subject, kind, canonical(body))
        if seq != expected or bytes(prev_hash) != previous or bytes(row_hash) != right:
            faults.append(seq)
        previous, expected = bytes(row_hash), seq + 1
    account.expect_none("journal rows that break the chain", faults)
    account.figures["journal rows"] = expected - 1


def check_screen(account: Account, street: Street, client: httpx2.Client) -> None:
    """What the wall shows is what the store has."""
    answer = client.get(f"/api/v1/sites/{SITE}/overview")
    answer.raise_for_status()
    shown = {(alarm["subject"], alarm["state"]) for alarm in answer.json()["alarms"]}
    with street.connect() as connection:
        rows = connection.execute(
            "SELECT subject, state FROM alarm WHERE state <> 'closed' AND kind = ANY(%s)", (sorted(ALARMING),)
        ).fetchall()
    missing = {(row[0], row[1]) for row in rows} - shown
    account.expect_none("alarms that the wall does not show", sorted(missing))
    account.figures["shown"] = len(shown)


def _name(saying: Saying) -> str:
    return f"{saying.identity} {saying.device} {saying.kind} {saying.active}"
