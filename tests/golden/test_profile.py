"""Every shipped profile against its golden case: raw messages, registers or measurements in, exactly these
readings and events out. A profile without a case fails here.

A case's steps run in order on one device. What a step does not list must not come out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.base import Reading
from adapters.contract.message import Event
from adapters.contract.vocabulary import Quality
from adapters.modbus.decode import Decoder
from adapters.modbus.plan import Image
from adapters.mqtt.normalise import MessageReader, Received
from adapters.mqtt.topic import TopicTable
from adapters.profile import Profile, load_profile
from adapters.vision.picture import Measurement
from adapters.vision.watch import CameraWatch

PROFILES = Path(__file__).parents[2] / "config" / "profiles"
CASES = Path(__file__).parent / "cases"
EDGE_AT = 1_767_225_600_000_000
NAMES = sorted(path.stem for path in PROFILES.glob("*.yaml"))


def read_profile(name: str) -> Profile:
    return load_profile(yaml.safe_load((PROFILES / f"{name}.yaml").read_text("utf-8")), f"{name}.yaml")


def show_event(event: Event) -> dict[str, Any]:
    """An event as a case writes it: what is empty is left out."""
    at = event.observed_at
    shown = {
        "kind": event.kind,
        "address": event.address,
        "active": event.active,
        "identity": event.identity,
        "attributes": event.attributes,
        "at": datetime.fromtimestamp(at / 1e6, UTC).strftime("%H:%M:%S.%f")[:-3] if at is not None else None,
    }
    if event.kind == "intake.unreadable":
        shown["identity"] = ""  # a digest; that it is there is a unit test's business
        shown["attributes"] = {"raw_code": event.attributes.get("raw_code", "")}
    return {key: value for key, value in shown.items() if value not in (None, "", {})}


def show_reading(reading: Reading) -> list[Any]:
    """A reading as a case writes it: [point, value] or [point, value, quality], address first if any."""
    value = None if math.isnan(reading.value) else round(reading.value, 6)
    shown: list[Any] = [reading.address] if reading.address else []
    shown += [reading.point, value]
    if reading.quality is not Quality.GOOD:
        shown.append(reading.quality.name.lower())
    return shown


class MqttDevice:
    def __init__(self, profile: Profile, case: Mapping[str, Any]) -> None:
        assert profile.mqtt is not None
        self.table: TopicTable[MessageReader] = TopicTable()
        for message in profile.mqtt.messages:
            self.table.add(message.topic, case["address"], MessageReader(message))

    def take(self, step: Mapping[str, Any]) -> dict[str, Any]:
        payload = step["payload"]
        raw = payload if isinstance(payload, str) else json.dumps(payload)
        events: list[Event] = []
        readings: list[Reading] = []
        matches = self.table.match(step["topic"])
        for captures, reader in matches:
            retained = step.get("retained", False)
            said = reader.read(Received("dev", step["topic"], captures, raw.encode(), retained, EDGE_AT))
            events += said.events
            readings += said.readings
        shown = {"events": [show_event(e) for e in events], "readings": [show_reading(r) for r in readings]}
        return shown if matches else {"unsubscribed": True}


class ModbusDevice:
    def __init__(self, profile: Profile, case: Mapping[str, Any]) -> None:
        assert profile.modbus is not None
        self.decoder = Decoder("dev", profile.modbus)
        self.image: Image = {}

    def take(self, step: Mapping[str, Any]) -> dict[str, Any]:
        for table, values in step.get("set", {}).items():
            self.image.setdefault(table, {}).update(values)
        if step.get("returns"):
            self.decoder.forget()
        out = self.decoder.decode(step["poll"], self.image, EDGE_AT)
        for batch in (out.found, out.seen):
            for latch in batch.latches:
                self.decoder.note_stored(latch)
        latches = [*out.found.latches, *out.seen.latches, *out.lingering]
        return {
            "events": [show_event(event) for event in out.found.events],
            "seen": [show_event(event) for event in out.seen.events],
            "readings": [show_reading(reading) for reading in out.found.readings],
            "clears": [latch.clear.at for latch in latches],
        }


class CameraDevice:
    def __init__(self, profile: Profile, case: Mapping[str, Any]) -> None:
        assert profile.camera is not None
        self.watch = CameraWatch(profile.camera, 0.0)

    def take(self, step: Mapping[str, Any]) -> dict[str, Any]:
        at_s = step["at_s"]
        if "reached" in step:
            changes = self.watch.note_reach(step["reached"], at_s)
        elif "picture" in step:
            healthy = {"brightness": 150.0, "contrast": 60.0, "sharpness": 300.0, "changed": 0.0, "same": False}
            changes = self.watch.see_picture(Measurement(**{**healthy, **step["picture"]}), at_s)
        else:
            changes = self.watch.miss_picture(at_s)
        return {"events": [{"kind": kind, "active": active} for kind, active in changes]}


@pytest.mark.parametrize("name", NAMES)
def test_profile_says_exactly_what_its_case_lists(name: str) -> None:
    profile = read_profile(name)
    case = yaml.safe_load((CASES / f"{name}.yaml").read_text("utf-8"))
    makers = {"mqtt": MqttDevice, "modbus": ModbusDevice, "camera": CameraDevice}
    device = next(make for section, make in makers.items() if getattr(profile, section))(profile, case)
    for n, step in enumerate(case["steps"]):
        said = {key: value for key, value in device.take(step).items() if value}
        inputs = {"topic", "payload", "retained", "set", "returns", "poll", "at_s", "reached", "picture", "why"}
        expected = {key: value for key, value in step.items() if key not in inputs and value}
        assert said == expected, f"{name}, step {n}: {step.get('why', '')}"


@pytest.mark.parametrize("name", NAMES)
def test_case_tells_every_kind_and_point_of_its_profile(name: str) -> None:
    profile = read_profile(name)
    steps = yaml.safe_load((CASES / f"{name}.yaml").read_text("utf-8"))["steps"]
    kinds = {e["kind"] for step in steps for e in [*step.get("events", []), *step.get("seen", [])]}
    assert set(profile.captures()) - kinds == set(), "kinds that no step of the case tells"
    if profile.camera is None:  # a camera's readings are its measurements; the driver's test has them
        words = {word for step in steps for reading in step.get("readings", []) for word in reading}
        assert profile.points() - words == set(), "points that no step of the case tells"


def test_every_case_belongs_to_a_profile() -> None:
    assert sorted(path.stem for path in CASES.glob("*.yaml")) == NAMES
