"""Cameras with an MJPEG stream over HTTP: whether they see, not what they see. Tier: silver.

A few pictures a second are decoded, small and grey, in one thread per connection; the others are
skipped undecoded. A camera that cannot be reached is offline; one that answers without pictures has
lost its signal.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Literal

import cv2
import httpx2
from pydantic import Field, SecretStr

from adapters.base import Adapter, AdapterError, Clock, DeviceSettings, Observation, Reading
from adapters.connection import ConnectionDocument, check_devices, check_document, read_document
from adapters.contract.message import Event
from adapters.contract.vocabulary import Quality
from adapters.profile import CameraSection, Profile
from adapters.vision.mjpeg import NotAStream, PictureSplitter
from adapters.vision.picture import Grey, Measurement, decode_picture, measure_picture
from adapters.vision.watch import CameraWatch, Change

NAME: Final = "camera"
TIER: Final[Literal["bronze", "silver", "gold"]] = "silver"
_BACK_OFF_S: Final = (0.5, 1.0, 2.0)
_READINGS_EVERY_S: Final = 10.0
_CONNECT_S: Final = 5.0
_WAITING: Final = 256
"""So many observations wait for the host; then the cameras wait."""


class Connection(ConnectionDocument):
    """Where the streams are; `{address}` in the URL is the device's address."""

    url: str = Field(pattern=r"^https?://")
    username: str | None = None
    password: SecretStr | None = None


@dataclass(slots=True)
class _Camera:
    """One camera and what was last seen of it."""

    device: str
    url: str
    section: CameraSection
    watch: CameraWatch
    look_at_s: float = 0.0
    readings_at_s: float = 0.0
    received: int = 0
    received_before: int = 0
    """At the last readings."""
    before: Grey | None = None
    last: Measurement | None = None


class CameraAdapter:
    """All cameras of one address."""

    def __init__(
        self,
        connection: Connection,
        devices: Sequence[DeviceSettings],
        profiles: Mapping[str, Profile],
        clock: Clock,
    ) -> None:
        self._clock = clock
        now_s = clock.monotonic_s()
        self._cameras = []
        for device in devices:
            section = profiles[device.profile].camera
            if section is None:
                raise AdapterError(f"profile {device.profile} has no camera section", retry=False)
            url = connection.url.replace("{address}", device.address)
            watch = CameraWatch(section, now_s)
            self._cameras.append(
                _Camera(device.device, url, section, watch, readings_at_s=now_s + _READINGS_EVERY_S)
            )
        password = connection.password.get_secret_value() if connection.password else ""
        self._auth = httpx2.DigestAuth(connection.username, password) if connection.username else None
        self._lost_after_s = min((camera.section.lost_after_s for camera in self._cameras), default=5.0)
        self._client: httpx2.AsyncClient | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: asyncio.Queue[Observation] = asyncio.Queue(_WAITING)

    async def open(self) -> None:
        # Never fails: each camera is reached, or reported offline, on its own.
        self._thread = ThreadPoolExecutor(1, "camera", initializer=lambda: cv2.setNumThreads(1))
        limits = httpx2.Limits(max_connections=None)
        timeout = httpx2.Timeout(_CONNECT_S, read=self._lost_after_s)
        self._client = httpx2.AsyncClient(auth=self._auth, limits=limits, timeout=timeout, trust_env=False)
        self._tasks = [asyncio.create_task(self._follow(camera, self._client)) for camera in self._cameras]

    async def observations(self) -> AsyncIterator[Observation]:
        while True:
            taking = asyncio.ensure_future(self._waiting.get())
            try:
                await asyncio.wait([taking, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
                for task in self._tasks:
                    if task.done():
                        task.result()  # a camera's task never ends by itself: let its error be seen
                yield await taking
            finally:
                taking.cancel()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    async def _follow(self, camera: _Camera, client: httpx2.AsyncClient) -> None:
        failures = 0
        while True:
            received = camera.received
            try:
                await self._receive(camera, client)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                await self._tell(camera, camera.watch.note_reach(False, self._clock.monotonic_s()))
            except (httpx2.HTTPError, NotAStream):
                pass  # it was reached; that no picture came is noted below
            failures = 0 if camera.received > received else failures + 1
            await self._tell(camera, camera.watch.miss_picture(self._clock.monotonic_s()))
            await asyncio.sleep(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])

    async def _receive(self, camera: _Camera, client: httpx2.AsyncClient) -> None:
        async with client.stream("GET", camera.url) as response:
            await self._tell(camera, camera.watch.note_reach(True, self._clock.monotonic_s()))
            if response.status_code != 200:
                raise NotAStream(f"{camera.url} answers {response.status_code}")
            splitter = PictureSplitter(response.headers.get("content-type", ""))
            async for chunk in response.aiter_raw():
                for jpeg in splitter.feed(chunk):
                    await self._take(camera, jpeg)

    async def _take(self, camera: _Camera, jpeg: bytes) -> None:
        camera.received += 1
        now_s = self._clock.monotonic_s()
        if now_s < camera.look_at_s:
            return
        # A little early, so that a camera of just this rate is not looked at every other time.
        camera.look_at_s = now_s + 0.9 / camera.section.analysed_fps
        grey, measured = await asyncio.get_running_loop().run_in_executor(
            self._thread, _look, jpeg, camera.before
        )
        if grey is None or measured is None:
            await self._tell(camera, camera.watch.miss_picture(now_s))
            return
        camera.before, camera.last = grey, measured
        await self._tell(camera, camera.watch.see_picture(measured, now_s))
        if now_s >= camera.readings_at_s:
            await self._waiting.put(Observation((), self._measure(camera, now_s)))

    async def _tell(self, camera: _Camera, changes: Sequence[Change]) -> None:
        if changes:
            edge_at = self._clock.now_us()
            events = tuple(Event(camera.device, "", kind, active, None, edge_at) for kind, active in changes)
            await self._waiting.put(Observation(events, ()))

    def _measure(self, camera: _Camera, now_s: float) -> tuple[Reading, ...]:
        passed_s = now_s - camera.readings_at_s + _READINGS_EVERY_S
        values = {
            "fps": (camera.received - camera.received_before) / passed_s,
            "brightness": camera.last.brightness if camera.last else math.nan,
            "sharpness": camera.last.sharpness if camera.last else math.nan,
        }
        camera.received_before = camera.received
        camera.readings_at_s = now_s + _READINGS_EVERY_S
        return tuple(
            Reading(camera.device, "", point, round(value, 2), Quality.GOOD, None)
            for point, value in values.items()
        )


def check(
    connection: Mapping[str, Any], devices: Sequence[DeviceSettings], profiles: Mapping[str, Profile]
) -> list[str]:
    """Every fault of a camera connection and its devices."""
    faults = check_document(Connection, connection) + check_devices(devices, profiles, "camera")
    if len(devices) > 1 and "{address}" not in str(connection.get("url", "")):
        name = connection.get("connection", "?")
        faults.append(
            f"connection {name}: url: {connection.get('url')!r}: needs {{address}} for several cameras"
        )
    return faults


def build(
    connection: Mapping[str, Any],
    devices: Sequence[DeviceSettings],
    profiles: Mapping[str, Profile],
    clock: Clock,
) -> Adapter:
    """An adapter for the cameras of one address."""
    document = read_document(Connection, connection, check(connection, devices, profiles))
    return CameraAdapter(document, devices, profiles, clock)


def _look(jpeg: bytes, before: Grey | None) -> tuple[Grey | None, Measurement | None]:
    """Decode and measure: the only work that is done in the thread."""
    grey = decode_picture(jpeg)
    return grey, measure_picture(grey, before) if grey is not None else None
