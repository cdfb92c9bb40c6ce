"""The driver to copy works as it stands, so that a copy of it begins by working."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.base import AdapterError
from adapters.drivers import _blueprint
from tests.integration.driving import WallClock, a_device, hosting, until

DEVICES = [a_device("lamp", "any", "environment", address="input-1")]


def test_lines_become_events(free_port: int) -> None:
    async def run() -> None:
        hang_up = asyncio.Event()

        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"input-1 on\ninput-9 on\ninput-1 off\ninput-1 maybe\n\xff\n")
            await writer.drain()
            await hang_up.wait()
            writer.close()

        connection: dict[str, Any] = {
            "connection": "line",
            "driver": "blueprint",
            "host": "127.0.0.1",
            "port": free_port,
        }
        server = await asyncio.start_server(speak, "127.0.0.1", free_port)
        with pytest.raises(AdapterError) as caught:
            async with hosting(_blueprint.build(connection, DEVICES, {}, WallClock())) as host:
                await until(lambda: len(host.events) == 3, why="three lines of ours")
                said = [(e.device, e.kind, e.active, e.attributes.get("raw_code")) for e in host.events]
                assert said == [
                    ("lamp", "input.active", True, None),
                    ("lamp", "input.active", False, None),
                    ("lamp", "intake.unreadable", None, "maybe"),
                ]
                hang_up.set()
                await until(lambda: host.ended, why="the end")
        assert caught.value.retry
        server.close()
        with pytest.raises(AdapterError):
            await _blueprint.build(connection, DEVICES, {}, WallClock()).open()

    asyncio.run(run())


def test_faults_are_listed() -> None:
    twice = [*DEVICES, a_device("lamp-2", "any", "environment", address="input-1")]
    faults = _blueprint.check({"connection": "c", "driver": "blueprint", "host": "h", "prt": 1}, twice, {})
    assert [
        word for word in ("prt", "port", "stands twice") if not any(word in fault for fault in faults)
    ] == []
