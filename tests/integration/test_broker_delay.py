"""An alarm does not wait in the broker until our kernel gets round to acknowledging what came before it."""

from __future__ import annotations

import queue
import statistics
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from adapters.contract.dialect import Version
from adapters.contract.topic import Sender, down_topic
from edge.configuration import BrokerAddress
from edge.link import Acknowledged, Arrived, Link, LinkReport, Opened
from hub.mqtt import Connection, Hearing
from hub.settings import BrokerSettings
from tests.conftest import RunningBroker

ROUNDS = 25
BEHIND_S = 0.004
"""So long after our PUBACK the message is sent: the kernel would still be holding the acknowledgement back."""
PROMPT_S = 0.02
"""Held back it takes 36 ms; else about one."""


def test_the_hub_hears_a_message_behind_a_puback_at_once(any_broker: RunningBroker) -> None:
    heard: queue.SimpleQueue[float] = queue.SimpleQueue()
    subscribed = threading.Event()
    hearing = Hearing(
        opened=lambda connection: connection.subscribe(["alarm"]),
        lost=lambda: None,
        message=lambda _: heard.put(time.monotonic()),
        subscribed=lambda _: subscribed.set(),
    )
    connection = Connection(BrokerSettings(host="127.0.0.1", port=any_broker.port), "hub", hearing)
    connection.start()
    device = _connect(any_broker.port)
    try:
        assert subscribed.wait(10.0)
        took = []
        for _ in range(ROUNDS):
            connection.publish("receipt", b"", 10)
            took.append(_send(device, "alarm", heard))
        assert statistics.median(took) < PROMPT_S, took
    finally:
        device.disconnect()
        device.loop_stop()
        connection.stop()


def test_an_edge_hears_a_command_behind_a_puback_at_once(any_broker: RunningBroker) -> None:
    heard: queue.SimpleQueue[float] = queue.SimpleQueue()
    opened = threading.Event()
    acknowledged = threading.Semaphore(0)

    def report(_: Link, what: LinkReport) -> None:
        match what:
            case Opened():
                opened.set()
            case Acknowledged():
                acknowledged.release()
            case Arrived():
                heard.put(time.monotonic())

    sender = Sender("s", "e")
    link = Link(BrokerAddress(host="127.0.0.1", port=any_broker.port), sender, Version.V311, report)
    link.open()
    hub = _connect(any_broker.port)
    try:
        assert opened.wait(10.0)
        took = []
        for _ in range(ROUNDS):
            link.publish("reading", b"")
            assert acknowledged.acquire(timeout=10.0)
            took.append(_send(hub, down_topic(sender, "command"), heard))
        assert statistics.median(took) < PROMPT_S, took
    finally:
        hub.disconnect()
        hub.loop_stop()
        link.close()


def _connect(port: int) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


def _send(client: mqtt.Client, topic: str, heard: queue.SimpleQueue[float]) -> float:
    """Send a message a moment later; how long it took."""
    time.sleep(BEHIND_S)
    begun = time.monotonic()
    client.publish(topic, b"x", qos=1)
    return heard.get(timeout=10.0) - begun
