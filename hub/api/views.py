"""The shapes of the API: what people's screens get. Times are ISO-8601 UTC with milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema


def write_moment(moment: datetime) -> str:
    """`2026-03-01T06:03:22.120Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[
    datetime,
    PlainSerializer(write_moment, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
Presence = Literal["online", "offline", "unknown"]


class View(BaseModel):
    """What goes out; built by us, so that nothing is left over."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(View):
    """A text for people in both languages."""

    zh: str
    en: str


class Fault(View):
    """What every error answers; `field` names the part of the request that is wrong."""

    code: str
    message: str
    field: str | None = None


class SiteName(View):
    site: str
    name: Text


class SiteHead(SiteName):
    time_zone: str


class EscalationTarget(View):
    post_name: Text
    person_name: str | None


class AlarmView(View):
    alarm: int
    version: int
    subject: str
    condition: str
    kind: str
    kind_name: Text
    priority: Literal["critical", "high", "medium", "low"]
    state: Literal["unacknowledged", "acknowledged", "returned", "latched", "closed"]
    nature: Literal["plain", "latching", "momentary", "momentary_latching"]
    active: bool | None
    device: str | None
    device_name: Text | None
    address: str | None
    address_name: Text | None
    zone: str | None
    zone_path: list[Text]
    silent: bool
    late: bool
    unjudged: bool
    exercise: bool
    rule: str
    rule_version: int
    response: Text
    owner_post: str
    owner_post_name: Text
    observed_at: Moment
    raised_at: Moment
    last_raised_at: Moment
    occurrences: int
    acknowledged_at: Moment | None
    acknowledged_by_name: str | None
    verification: Literal["unverified", "verifying", "real", "false", "test", "drill"]
    verification_cause: str
    escalation_level: int
    next_escalation_at: Moment | None
    next_escalation_to: EscalationTarget | None
    incident: int | None
    single_detector: bool


class HazardView(View):
    hazard: int
    subject: str
    condition: str
    title: Text
    grade: Literal["general", "major"]
    state: Literal[
        "reported", "confirmed", "assigned", "rectifying", "submitted", "closed", "dismissed", "deferred"
    ]
    zone: str | None
    zone_path: list[Text]
    device: str | None
    device_name: Text | None
    owner_post_name: Text | None
    reported_at: Moment
    due_at: Moment
    overdue: bool
    occurrences: int


class StepView(View):
    step: int
    title: Text
    post: str
    post_name: Text | None
    person_name: str | None
    state: Literal["pending", "notified", "accepted", "done", "skipped", "expired"]
    due_at: Moment | None
    accepted_at: Moment | None
    done_at: Moment | None
    reason: str


class CommandView(View):
    command: str
    device: str
    device_name: Text | None
    address: str
    kind: str
    kind_name: Text
    state: Literal[
        "requested",
        "sent",
        "accepted",
        "confirmed",
        "unconfirmed",
        "failed",
        "expired",
        "refused",
        "superseded",
        "cancelled",
    ]
    by: Literal["rule", "reflex", "plan", "person"]
    """`reflex`: the edge did it by itself, by the rule's local linkage."""
    rule: str
    """The rule or plan behind it; empty where a person ordered it."""
    reason: str
    detail: str
    requested_at: Moment


class IncidentView(View):
    incident: int
    plan: str
    title: Text
    level: Literal["I", "II", "III", "IV"]
    state: Literal[
        "proposed", "triggered", "responding", "contained", "closed", "reviewed", "dismissed", "suspended"
    ]
    exercise: bool
    zone: str | None
    zone_path: list[Text]
    triggered_at: Moment
    commander_name: str | None
    alarms: list[int]
    steps: list[StepView]
    commands: list[CommandView]


class ConditionView(View):
    kind: str
    kind_name: Text
    address: str
    active: bool
    since: Moment | None


@dataclass(frozen=True, slots=True)
class ValueView:
    """A point's newest value; `quality` says `stale` where it is too old to be believed.

    A dataclass: a picture holds ten thousand of them, and they come out of typed columns.
    """

    address: str
    point: str
    point_name: Text
    value: float | None
    unit: str
    quality: Literal["good", "uncertain", "stale", "bad", "missing"]
    observed_at: Moment | None


class DeviceView(View):
    device: str
    name: Text
    family: str
    zone: str
    state: Presence
    since: Moment | None
    conditions: list[ConditionView]
    values: list[ValueView]


class DeviceCounts(View):
    total: int
    online: int
    offline: int
    unknown: int


class ZoneView(View):
    zone: str
    parent: str | None
    name: Text
    class_: Literal["sensitive", "key", "general"] = Field(serialization_alias="class")
    kind: Literal["building", "floor", "room", "outdoor"]
    devices: DeviceCounts


class DutyView(View):
    post: str
    post_name: Text
    person_name: str | None


class EdgeView(View):
    edge: str
    name: Text
    state: Presence
    heard_at: Moment | None
    settings_error: str | None


class Counts(View):
    critical: int
    high: int
    medium: int
    low: int
    unacknowledged: int
    hazards: int
    hazards_major: int
    incidents: int
    points_total: int
    points_known: int
    points_unknown: int
    devices_total: int
    devices_online: int
    devices_offline: int
    devices_unknown: int


class JournalView(View):
    seq: int
    at: Moment
    actor: str
    actor_name: str | None
    subject: str
    kind: str
    body: dict[str, Any]


class Change(JournalView):
    """A journal row with the thing that it is about, as it is now."""

    alarm: AlarmView | None = None
    hazard: HazardView | None = None
    incident: IncidentView | None = None
    device: DeviceView | None = None
    edge: EdgeView | None = None
    counts: Counts


class Snapshot(View):
    site: SiteHead
    seq: int
    at: Moment
    alarms: list[AlarmView]
    hazards: list[HazardView]
    incidents: list[IncidentView]
    zones: list[ZoneView]
    devices: list[DeviceView]
    duty: list[DutyView]
    counts: Counts
    recent: list[JournalView]
    edges: list[EdgeView]


class Beat(View):
    """How old the picture is. Where `missing` is not empty, `counts` are the last that were known."""

    at: Moment
    committed_at: Moment | None
    worker_at: Moment | None
    storing: bool
    seq: int
    missing: list[str]
    counts: Counts


class UnreceiptedView(View):
    id: str
    kind: str
    kind_name: Text
    priority: Literal["critical", "high", "medium", "low"]
    device: str
    device_name: Text | None
    zone_name: Text | None
    address: str
    active: bool | None
    edge_at: Moment
    first_seen_at: Moment


class UnreceiptedList(View):
    items: list[UnreceiptedView]


class EventView(View):
    event: str
    recorded_at: Moment
    observed_at: Moment
    edge_at: Moment
    edge: str
    device: str
    device_name: Text | None
    address: str
    zone: str | None
    kind: str
    kind_name: Text
    active: bool | None
    late: bool
    quality: Literal["good", "uncertain", "stale", "bad", "missing"]
    attributes: dict[str, Any]


class ReadingView(View):
    observed_at: Moment
    recorded_at: Moment
    value: float | None
    quality: Literal["good", "uncertain", "stale", "bad", "missing"]
