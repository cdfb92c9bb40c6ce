"""From rows to views: pure, with the site's names and the moment as arguments."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from adapters.contract.vocabulary import COMMAND_KINDS, KINDS, Quality
from hub.api.views import (
    AlarmView,
    CommandView,
    DutyView,
    EscalationTarget,
    EventView,
    HazardView,
    IncidentView,
    JournalView,
    StepView,
    Text,
)
from hub.store.database import Row
from hub.store.view import IncidentRows, SiteWords

_HUB_NAMES: Final = {
    "hub": Text(zh="平台", en="hub"),
    "hub:certificates": Text(zh="平台证书", en="hub certificates"),
    "hub:chores": Text(zh="平台后台任务", en="hub chores"),
}


def text_of(words: Mapping[str, str] | None, otherwise: str = "") -> Text:
    """A text in both languages; one that is absent is filled from the other."""
    words = words or {}
    zh = words.get("zh") or words.get("en") or otherwise
    return _text(zh, words.get("en") or zh)


@functools.lru_cache(maxsize=8192)
def _text(zh: str, en: str) -> Text:
    # The same names stand in every picture; they are frozen, and made once.
    return Text(zh=zh, en=en)


def maybe_text(words: Mapping[str, str] | None) -> Text | None:
    """A text, or None where there is none."""
    return text_of(words) if words else None


def kind_name(kind: str) -> Text:
    """What an event kind is called; a correlation that the vocabulary lacks keeps its own name."""
    known = KINDS.get(kind)
    return _text(known.zh, known.en) if known else _text(kind, kind)


def command_name(kind: str) -> Text:
    """What a command is called."""
    zh, en = COMMAND_KINDS.get(kind, (kind, kind))
    return _text(zh, en)


def device_name(words: SiteWords, device: str | None) -> Text | None:
    """The name of a device, or of what supervision names in a device's place: `edge:<edge>`, `hub`."""
    if device is None:
        return None
    row = words.devices.get(device)
    if row is not None:
        return text_of(row["name"], device)
    if device in _HUB_NAMES:
        return _HUB_NAMES[device]
    if device.startswith("edge:"):
        return text_of(words.edges.get(device.removeprefix("edge:")), device)
    return None


def address_name(words: SiteWords, device: str | None, address: str | None) -> Text | None:
    """What the site calls an address of a device, where it has a name for it."""
    row = words.devices.get(device or "")
    if row is None or not address:
        return None
    return maybe_text(row["configuration"].get("addresses", {}).get(address, {}).get("name"))


def zone_of(words: SiteWords, device: str, address: str) -> str | None:
    """Where an address of a device is."""
    row = words.devices.get(device)
    if row is None:
        return None
    zone: str | None = row["configuration"].get("addresses", {}).get(address, {}).get("zone") or row["zone"]
    return zone


def zone_path(words: SiteWords, zone: str | None) -> list[Text]:
    """The names from the outermost zone to this one."""
    path: list[Text] = []
    seen: set[str] = set()
    while zone is not None and zone not in seen:
        seen.add(zone)
        row = words.zones.get(zone)
        if row is None:
            break
        path.append(text_of(row["name"], zone))
        zone = row["parent"]
    return path[::-1]


def post_name(words: SiteWords, post: str) -> Text:
    """What a post is called."""
    return text_of(words.posts.get(post), post)


def actor_name(words: SiteWords, actor: str) -> str | None:
    """The person behind an account; None for the machinery."""
    return words.accounts.get(actor)


def person_name(words: SiteWords, person: str | None) -> str | None:
    """The name of a person, while we keep it."""
    return words.persons.get(person) if person else None


def alarm_view(row: Row, words: SiteWords) -> AlarmView:
    """An alarm as screens show it."""
    device, address = row["device"], row["address"]
    return AlarmView(
        alarm=row["alarm"],
        version=row["version"],
        subject=row["subject"],
        condition=row["condition"],
        kind=row["kind"],
        kind_name=kind_name(row["kind"]),
        priority=row["priority"],
        state=row["state"],
        nature=row["nature"],
        active=row["active"],
        device=device,
        device_name=device_name(words, device),
        address=address or None,
        address_name=address_name(words, device, address),
        zone=row["zone"],
        zone_path=zone_path(words, row["zone"]),
        silent=row["silent"],
        late=row["late"],
        unjudged=row["unjudged"],
        exercise=row["exercise"],
        rule=row["rule"],
        rule_version=row["rule_version"],
        response=text_of(row["response"]),
        owner_post=row["owner_post"],
        owner_post_name=post_name(words, row["owner_post"]),
        observed_at=row["observed_at"],
        raised_at=row["raised_at"],
        last_raised_at=row["last_raised_at"],
        occurrences=row["occurrences"],
        acknowledged_at=row["acknowledged_at"],
        acknowledged_by_name=actor_name(words, row["acknowledged_by"] or ""),
        verification=row["verification"],
        verification_cause=row["verification_cause"],
        escalation_level=row["escalation_level"],
        next_escalation_at=row["next_escalation_at"],
        next_escalation_to=_escalation_target(row, words),
        incident=row["incident"],
        # A second independent device makes it critical; until then one detector is all there is.
        single_detector=row["kind"] == "fire.alarm" and row["priority"] != "critical",
    )


def _escalation_target(row: Row, words: SiteWords) -> EscalationTarget | None:
    at, post = row["next_escalation_at"], words.escalation.next_post(row["escalation_level"])
    if at is None or post is None:
        return None
    return EscalationTarget(
        post_name=post_name(words, post), person_name=person_name(words, words.duty.person(post, at))
    )


def hazard_view(row: Row, words: SiteWords, now: datetime) -> HazardView:
    """A hazard as screens show it."""
    open_ = row["state"] not in ("closed", "dismissed")
    return HazardView(
        hazard=row["hazard"],
        subject=row["subject"],
        condition=row["condition"],
        title=text_of(row["title"], row["condition"]),
        grade=row["grade"],
        state=row["state"],
        zone=row["zone"],
        zone_path=zone_path(words, row["zone"]),
        device=row["device"],
        device_name=device_name(words, row["device"]),
        owner_post_name=post_name(words, row["owner_post"]) if row["owner_post"] else None,
        reported_at=row["reported_at"],
        due_at=row["due_at"],
        overdue=open_ and row["due_at"] < now,
        occurrences=row["occurrences"],
    )


def incident_views(rows: IncidentRows, words: SiteWords) -> list[IncidentView]:
    """Incidents as screens show them."""
    return [
        IncidentView(
            incident=row["incident"],
            plan=row["plan"],
            title=text_of(row["title"], row["plan"]),
            level=row["level"],
            state=row["state"],
            exercise=row["exercise"],
            zone=row["zone"],
            zone_path=zone_path(words, row["zone"]),
            triggered_at=row["triggered_at"],
            commander_name=person_name(words, row["commander"]),
            alarms=rows.alarms.get(row["incident"], []),
            steps=[_step_view(step, words) for step in rows.steps.get(row["incident"], [])],
            commands=[command_view(command, words) for command in rows.commands.get(row["incident"], [])],
        )
        for row in rows.incidents
    ]


def _step_view(row: Row, words: SiteWords) -> StepView:
    return StepView(
        step=row["step"],
        title=text_of(row["title"]),
        post=row["post"],
        post_name=post_name(words, row["post"]),
        person_name=person_name(words, row["person"]),
        state=row["state"],
        due_at=row["due_at"],
        accepted_at=row["accepted_at"],
        done_at=row["done_at"],
        reason=row["reason"],
    )


def command_view(row: Row, words: SiteWords) -> CommandView:
    """A command as screens show it."""
    by, _, rule = row["source"].partition(":")
    return CommandView(
        command=row["command"],
        device=row["device"],
        device_name=device_name(words, row["device"]),
        address=row["address"],
        kind=row["kind"],
        kind_name=command_name(row["kind"]),
        state=row["state"],
        by=by,
        rule="" if by == "person" else rule,
        reason=row["reason"],
        detail=row["detail"],
        requested_at=row["requested_at"],
    )


def finite(value: float | None) -> float | None:
    """A number that JSON can carry; None for what is none."""
    return value if value is not None and math.isfinite(value) else None


def duty_views(words: SiteWords, now: datetime) -> list[DutyView]:
    """Who stands at each post now."""
    return [
        DutyView(
            post=post,
            post_name=text_of(name, post),
            person_name=person_name(words, words.duty.person(post, now)),
        )
        for post, name in words.posts.items()
    ]


def journal_view(row: Row, words: SiteWords) -> JournalView:
    """A journal row with the name of who acted."""
    return JournalView(
        seq=row["seq"],
        at=row["at"],
        actor=row["actor"],
        actor_name=actor_name(words, row["actor"]),
        subject=row["subject"],
        kind=row["kind"],
        body=row["body"],
    )


def event_view(row: Row, words: SiteWords) -> EventView:
    """An event as it is stored."""
    return EventView(
        event=row["event"],
        recorded_at=row["recorded_at"],
        observed_at=row["observed_at"],
        edge_at=row["edge_at"],
        edge=row["edge"],
        device=row["device"],
        device_name=device_name(words, row["device"]),
        address=row["address"],
        zone=row["zone"],
        kind=row["kind"],
        kind_name=kind_name(row["kind"]),
        active=row["active"],
        late=row["late"],
        quality=Quality(row["quality"]).name.lower(),  # type: ignore[arg-type]
        attributes=row["attributes"],
    )
