"""The camera driver against a real HTTP stream of drawn pictures."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import cv2
import numpy as np
import pytest

from adapters.base import Adapter
from adapters.contract.vocabulary import Quality
from adapters.drivers import camera
from adapters.profile import load_profile
from adapters.vision import watch
from tests.integration.driving import WallClock, a_device, hosting, until

PROFILE = {
    "profile": "quick-camera",
    "name": {"zh": "测试", "en": "quick"},
    "family": "camera",
    "camera": {
        "analysed_fps": 10,
        "hold_s": 0.3,
        "release_s": 0.3,
        "frozen_after_s": 0.6,
        "lost_after_s": 1.0,
    },
}


class Lens:
    """What the camera sees; the stream asks for a picture 15 times a second."""

    def __init__(self) -> None:
        self.mode = "well"
        self._count = itertools.count()
        self._noise = np.random.default_rng(7)
        self._last = b""

    def picture(self) -> bytes:
        if self.mode == "frozen" and self._last:
            return self._last
        if self.mode == "broken":
            return b"\xff\xd8 this is no picture \xff\xd9"
        image = self._noise.integers(0, 6, (360, 640, 3), dtype=np.uint8)
        if self.mode == "covered":
            image += 60
        elif self.mode != "dark":
            image[:180] += 200
            image[180:] += 90
        if self.mode == "motion":
            x = next(self._count) * 40 % 560
            image[150:330, x : x + 80] = 30
        self._last = bytes(cv2.imencode(".jpg", image)[1])
        return self._last


@asynccontextmanager
async def streaming(port: int, lens: Lens, *, lengths: bool = True) -> AsyncIterator[None]:
    """An HTTP server with one MJPEG stream; mode `away` answers 503, `stalled` sends nothing."""
    speaking: set[asyncio.Task[None] | None] = set()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        speaking.add(asyncio.current_task())
        try:
            await reader.readuntil(b"\r\n\r\n")
            if lens.mode == "away":
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
                return
            writer.write(
                b'HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary="--cut"\r\n\r\n'
            )
            while lens.mode != "away" and not writer.is_closing():
                if lens.mode != "stalled":
                    jpeg = lens.picture()
                    length = f"Content-Length: {len(jpeg)}\r\n" if lengths else ""
                    head = f"--cut\r\nContent-Type: image/jpeg\r\n{length}\r\n"
                    writer.write(head.encode() + jpeg + b"\r\n")
                await writer.drain()
                await asyncio.sleep(1 / 15)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        lens.mode = "away"
        await asyncio.gather(*(task for task in speaking if task))


def make_adapter(port: int) -> Adapter:
    connection = {"connection": "line", "driver": "camera", "url": f"http://127.0.0.1:{port}/{{address}}.mjpg"}
    devices = [a_device("gate-cam", "quick-camera", "camera")]
    return camera.build(connection, devices, {"quick-camera": load_profile(PROFILE, "quick")}, WallClock())


@pytest.mark.parametrize("lengths", [True, False], ids=["content-length", "boundary only"])
def test_camera_reports_its_own_blindness(
    free_port: int, lengths: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_MOTION_ENDS_S", 1.0)

    async def run() -> None:
        lens = Lens()
        async with streaming(free_port, lens, lengths=lengths), hosting(make_adapter(free_port)) as host:
            normal = {
                "device.offline",
                *(f"camera.{k}" for k in ("signal_lost", "dark", "covered", "frozen", "motion")),
            }
            await until(lambda: {e.kind for e in host.events} == normal, why="all is told to be well")
            assert not any(event.active for event in host.events)
            for mode, kind in (
                ("motion", "camera.motion"),
                ("covered", "camera.covered"),
                ("dark", "camera.dark"),
                ("frozen", "camera.frozen"),
                ("stalled", "camera.signal_lost"),
                ("broken", "camera.signal_lost"),
                ("away", "camera.signal_lost"),
            ):
                before = len(host.events)
                lens.mode = mode
                told = _after(host, before)
                await until(lambda told=told, kind=kind: (kind, True) in told(), 15, f"{mode} is told")
                lens.mode = "well"
                await until(lambda told=told, kind=kind: (kind, False) in told(), 20, f"{mode} is over")
                wrong = {(k, a) for k, a in told() if a and k != kind and k != "camera.motion"}
                assert not wrong, f"{mode} told as {wrong}"

    asyncio.run(run())


def test_unreachable_camera_is_offline_and_comes_back(free_port: int) -> None:
    async def run() -> None:
        async with hosting(make_adapter(free_port)) as host:
            await until(lambda: host.count("device.offline", True) == 1, why="nobody answers")
            async with streaming(free_port, Lens()):
                await until(lambda: host.count("device.offline", False) == 1, why="it answers")
                await until(lambda: host.count("camera.signal_lost", False) == 1, why="pictures")

    asyncio.run(run())


def test_readings_come_with_values(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "_READINGS_EVERY_S", 1.0)

    async def run() -> None:
        async with streaming(free_port, Lens()), hosting(make_adapter(free_port)) as host:
            await until(lambda: sum(bool(o.readings) for o in host.taken) == 2, why="two rounds of readings")
            readings = [o.readings for o in host.taken if o.readings][-1]
            values = {reading.point: reading.value for reading in readings}
            assert 8 <= values["fps"] <= 16
            assert 120 <= values["brightness"] <= 180
            assert values["sharpness"] > 0
            assert {reading.quality for reading in readings} == {Quality.GOOD}

    asyncio.run(run())


def test_several_cameras_need_an_address_in_the_url() -> None:
    devices = [a_device(name, "quick-camera", "camera") for name in ("a", "b")]
    connection: dict[str, Any] = {"connection": "c", "driver": "camera", "url": "http://127.0.0.1:1/x.mjpg"}
    profiles = {"quick-camera": load_profile(PROFILE, "quick")}
    assert any("{address}" in fault for fault in camera.check(connection, devices, profiles))
    assert camera.check({**connection, "url": "rtsp://x"}, devices[:1], profiles)


def _after(host: Any, start: int) -> Callable[[], set[tuple[str, bool | None]]]:
    return lambda: {(event.kind, event.active) for event in host.events[start:]}
