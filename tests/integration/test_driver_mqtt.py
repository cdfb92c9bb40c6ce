"""The mqtt driver against a real broker: nothing is acknowledged before it is stored."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from adapters.base import Adapter, AdapterError, Writes
from adapters.contract.message import Command
from adapters.drivers import mqtt
from adapters.mqtt.session import Arrival
from tests.conftest import RunningBroker
from tests.integration.driving import WallClock, a_device, hosting, read_profiles, until
from tests.waiting import wait_until

BUTTON = a_device("gate-button", "demo-panic-button-mqtt", "panic_button")
DOOR = a_device("lab-door", "demo-door-mqtt", "access_control", writes=("door.release",))


def make_adapter(broker: RunningBroker, **extra: Any) -> Adapter:
    connection = {
        "connection": "line",
        "driver": "mqtt",
        "host": broker.host,
        "port": broker.port,
        "client_id": "edge-under-test",
        **extra,
    }
    profiles = read_profiles("demo-panic-button-mqtt", "demo-door-mqtt")
    return mqtt.build(connection, [BUTTON, DOOR], profiles, WallClock())


class Device:
    """A device at the broker, in a thread of its own."""

    def __init__(self, broker: RunningBroker) -> None:
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.connect(broker.host, broker.port)
        self.client.loop_start()
        wait_until(self.client.is_connected, why="the device connects")

    def say(self, topic: str, payload: Any, *, retain: bool = False) -> None:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        self.client.publish(topic, text, qos=1, retain=retain).wait_for_publish(5)

    def press(self, number: int) -> None:
        self.say("campus/gate-button/event", {"id": f"b-{number}", "type": "pressed"})

    def obey(self, answer: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
        """Answer each command on the door's `set` with a state."""
        subscribed = threading.Event()

        def hear(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
            state = answer(json.loads(message.payload))
            if state is not None:
                self.client.publish("campus/lab-door/state", json.dumps(state), qos=1, retain=True)

        self.client.on_message = hear
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.subscribe("campus/lab-door/set", 1)
        assert subscribed.wait(5)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def device(broker: RunningBroker) -> Iterator[Device]:
    device = Device(broker)
    yield device
    device.close()


def command(kind: str = "door.release", device: str = "lab-door") -> Command:
    return Command("c-1", device, "1", kind, {}, 0, 0, 5_000)


def test_messages_become_events_and_readings(broker: RunningBroker, device: Device) -> None:
    device.say("campus/gate-button/availability", "online", retain=True)
    device.say("campus/gate-button/event", {"id": "old", "type": "pressed"}, retain=True)

    async def run() -> None:
        async with hosting(make_adapter(broker)) as host:
            await until(lambda: host.count("device.offline", False), why="the retained availability")
            await asyncio.to_thread(device.press, 1)
            await until(lambda: host.count("panic.pressed"), why="the press")
            await asyncio.to_thread(device.say, "campus/gate-button/status", {"battery": 93, "tamper": False})
            await until(lambda: any(o.readings for o in host.taken), why="the battery")
            # The retained press of the broker's memory was none.
            assert [event.identity for event in host.told("panic.pressed")] == ["b-1"]

    asyncio.run(run())


def test_unsettled_message_comes_again_after_a_restart(broker: RunningBroker, device: Device) -> None:
    async def run() -> None:
        async with hosting(make_adapter(broker)) as host:
            host.hold = True
            await asyncio.to_thread(device.press, 1)
            await until(
                lambda: host.count("panic.pressed") == 1, why="the press, which the host does not store"
            )
        async with hosting(make_adapter(broker)) as host:
            await until(lambda: host.count("panic.pressed") == 1, why="the press again")
        async with hosting(make_adapter(broker)) as host:
            await asyncio.to_thread(device.press, 2)
            await until(lambda: host.count("panic.pressed") == 1, why="the next press")
            assert [event.identity for event in host.told("panic.pressed")] == ["b-2"], (
                "a stored press came again"
            )

    asyncio.run(run())


def test_broker_queues_while_the_edge_is_away(broker: RunningBroker, device: Device) -> None:
    async def run() -> None:
        async with hosting(make_adapter(broker)):
            pass
        for number in range(20):
            await asyncio.to_thread(device.press, number)
        async with hosting(make_adapter(broker)) as host:
            await until(lambda: host.count("panic.pressed") == 20, why="all presses of the absence")
            assert [e.identity for e in host.told("panic.pressed")] == [f"b-{n}" for n in range(20)]

    asyncio.run(run())


def test_broker_killed_between_receipt_and_settling(broker: RunningBroker, device: Device) -> None:
    """The host still has the message, and its late acknowledgement hits nobody else's message."""

    async def run() -> None:
        adapter = make_adapter(broker)
        async with hosting(adapter) as host:
            host.hold = True
            await asyncio.to_thread(device.press, 1)
            await until(lambda: host.count("panic.pressed") == 1, why="the press")
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)
            await asyncio.to_thread(wait_until, device.client.is_connected, 15.0, "the device is back")
            await until(lambda: adapter._session.connected, 15, "the driver is back")  # type: ignore[attr-defined]
            # The embedded broker has forgotten all; the device publishes again, and the message gets
            # the packet number that the old one had.
            await asyncio.to_thread(device.press, 2)
            await until(lambda: any(e.identity == "b-2" for e in host.events), why="the press after the kill")
            first = next(o for o in host.taken if any(e.identity == "b-1" for e in o.events))
            assert first.settle is not None
            await first.settle()
        async with hosting(make_adapter(broker)) as host:
            await until(lambda: host.count("panic.pressed"), why="the press that was never settled")
            assert [e.identity for e in host.told("panic.pressed")] == ["b-2"]

    asyncio.run(run())


def test_slow_host_stops_reading_and_loses_nothing(broker: RunningBroker, device: Device) -> None:
    async def run() -> None:
        adapter = make_adapter(broker, queue=10)
        await adapter.open()
        try:
            for number in range(300):
                await asyncio.to_thread(device.press, number)
            taken = []
            async for observation in adapter.observations():
                taken += [event.identity for event in observation.events]
                if observation.settle:
                    await observation.settle()
                if len(taken) == 300:
                    break
            assert taken == [f"b-{n}" for n in range(300)]
            assert adapter.pauses > 0  # type: ignore[attr-defined]
        finally:
            await adapter.close()

    asyncio.run(run())


def test_settling_out_of_order_acknowledges_in_order(broker: RunningBroker, device: Device) -> None:
    async def run() -> None:
        async with hosting(make_adapter(broker)) as host:
            host.hold = True
            for number in range(5):
                await asyncio.to_thread(device.press, number)
            await until(lambda: host.count("panic.pressed") == 5, why="five presses")
            for observation in (host.taken[1], host.taken[0], host.taken[2]):
                assert observation.settle is not None
                await observation.settle()
            await asyncio.to_thread(device.press, 5)
            await until(lambda: host.count("panic.pressed") == 6, why="the broker still speaks with us")
        async with hosting(make_adapter(broker)) as host:
            await until(lambda: host.count("panic.pressed") == 3, why="the unsettled ones")
            assert [e.identity for e in host.told("panic.pressed")] == ["b-3", "b-4", "b-5"]

    asyncio.run(run())


def test_command_is_confirmed_by_the_devices_state(broker: RunningBroker, device: Device) -> None:
    device.say("campus/lab-door/state", {"door": "1", "lock": "unlocked", "command": "c-1"}, retain=True)
    obedient = True

    def answer(order: dict[str, Any]) -> dict[str, Any] | None:
        assert order == {"command": "c-1", "lock": "release"}
        return {"door": "1", "lock": "unlocked", "command": order["command"]} if obedient else None

    device.obey(answer)

    async def run() -> None:
        nonlocal obedient
        adapter = make_adapter(broker)
        assert isinstance(adapter, Writes)
        async with hosting(adapter) as host:
            await until(lambda: host.count("door.unlocked", True), why="the retained state")
            assert (await adapter.write(command())).state == "confirmed"
            obedient = False
            # The retained state of the earlier command confirms nothing, not even when it comes again.
            writing = asyncio.create_task(adapter.write(command()))
            await asyncio.sleep(0)
            state = json.dumps({"door": "1", "lock": "unlocked", "command": "c-1"}).encode()
            for listen in adapter._session.listeners:  # type: ignore[attr-defined]
                listen(Arrival("campus/lab-door/state", state, True, 1, 1))
            assert (await writing).state == "unconfirmed"
            assert (await adapter.write(command("door.lock"))).state == "refused"
            assert (await adapter.write(command(device="gate-button"))).state == "refused"
            assert (await adapter.write(command(device="nobody"))).state == "refused"
            await asyncio.to_thread(broker.kill)
            await until(lambda: not adapter._session.connected, why="the loss is noticed")  # type: ignore[attr-defined]
            assert (await adapter.write(command())).state == "failed"

    asyncio.run(run())


def test_broker_away_for_long_takes_the_devices_offline(broker: RunningBroker) -> None:
    async def run() -> None:
        async with hosting(make_adapter(broker, offline_after_s=0.5)) as host:
            await asyncio.to_thread(broker.kill)
            await until(lambda: host.count("device.offline", True) == 2, why="both devices, once each")
            await asyncio.to_thread(broker.start)
            device = await asyncio.to_thread(Device, broker)
            try:
                await asyncio.to_thread(device.say, "campus/gate-button/availability", "online", retain=True)
                await until(lambda: host.count("device.offline", False), 20, "the button is back")
            finally:
                device.close()
            assert host.count("device.offline", True) == 2

    asyncio.run(run())


def test_refused_connection_may_be_tried_again(broker: RunningBroker, free_port: int) -> None:
    async def run() -> None:
        adapter = make_adapter(broker, port=free_port)
        with pytest.raises(AdapterError) as caught:
            await adapter.open()
        assert caught.value.retry
        await adapter.close()
        await adapter.close()

    asyncio.run(run())


def test_faults_of_a_connection_are_all_listed() -> None:
    profiles = read_profiles("demo-panic-button-mqtt")
    devices = [
        a_device("a", "demo-panic-button-mqtt", "fire_alarm", address="a/+", writes=("door.release",)),
        a_device("b", "unknown", "panic_button"),
    ]
    faults = mqtt.check({"connection": "c", "driver": "mqtt", "port": 0, "hots": "x"}, devices, profiles)
    for word in ("port", "hots", "host", "writes", "family", "'unknown'", "a/+"):
        assert any(word in fault for fault in faults), word
    with pytest.raises(AdapterError) as caught:
        mqtt.build({"connection": "c", "driver": "mqtt"}, devices, profiles, WallClock())
    assert not caught.value.retry
