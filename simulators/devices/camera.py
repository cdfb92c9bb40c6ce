"""Cameras as MJPEG over HTTP: a drawn scene with people walking, and what can go wrong with a lens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, Literal

from pydantic import Field

from simulators.device import Act, Device, DeviceSettings, Surroundings, read_switch
from simulators.media import Media
from simulators.picture import Painter, Scene

_KINDS: Final = {
    "cover": "camera.covered",
    "freeze": "camera.frozen",
    "darken": "camera.dark",
    "lose": "camera.signal_lost",
}
_SAYS: Final = {
    "cover": ("something covers the lens", "or is taken away"),
    "freeze": ("the picture stands still", "or moves again"),
    "darken": ("the picture gets too dark", "or bright again"),
    "lose": ("the signal is lost", "or is back"),
}


class Settings(DeviceSettings):
    stream: str
    """Which stream server of campus.yaml carries it."""
    picture: str | None = None
    """The name in the address, `/<picture>.mjpg`; default: the device's name."""
    scene: Literal["gate", "corridor", "playground", "kitchen"] = "corridor"
    fps: float = Field(default=3.0, ge=0.5, le=15.0)
    people: int = Field(default=3, ge=0, le=12)
    """How many walk in front of it at the busiest hour."""


class Camera(Device):
    """A camera. Pictures are drawn only while someone waits for one, once for all viewers."""

    def __init__(self, settings: Settings, surroundings: Surroundings, media: Media) -> None:
        super().__init__(settings, surroundings)
        self.conditions = dict.fromkeys(_KINDS, False)
        self._settings = settings
        self._painter = Painter(Scene(settings.scene), settings.device, self.chance)
        self._next: asyncio.Task[bytes | None] | None = None
        self._drawn_at = 0.0
        self._last: bytes | None = None
        media.streams[settings.stream].sources[settings.picture or settings.device] = self

    def acts(self) -> Mapping[str, Act]:
        # Several cameras share one port, so none of them can be unreachable alone: `lose` is its silence.
        acts = {verb: act for verb, act in super().acts().items() if verb != "offline"}
        for verb, (begins, ends) in _SAYS.items():
            acts[verb] = Act("on|off", f"{begins}, {ends}", partial(self._switch, verb))
        return acts

    async def next_picture(self) -> bytes | None:
        """The next picture as JPEG; None while the camera sends nothing."""
        if self._next is None or self._next.done():
            self._next = asyncio.create_task(self._draw_next())
        # One viewer's leaving must not cost the others their picture.
        return await asyncio.shield(self._next)

    async def _draw_next(self) -> bytes | None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._drawn_at + 1.0 / self._settings.fps - loop.time()))
        self._drawn_at = loop.time()
        if self.conditions["lose"]:
            return None
        if self._last is None or not self.conditions["freeze"]:
            people = round(self._settings.people * self.surroundings.bustle())
            self._last = self._painter.draw(
                self.surroundings.now().astimezone(self.surroundings.time_zone),
                people if self.surroundings.life else 0,
                covered=self.conditions["cover"],
                dark=self.conditions["darken"],
            )
        return self._last

    def _switch(self, fault: str, words: Sequence[str]) -> str:
        on = read_switch(words)
        if self.conditions[fault] != on:
            self.report(_KINDS[fault], on)
            self.conditions[fault] = on
        return f"{self.name}: {_KINDS[fault].partition('.')[2]} {'on' if on else 'off'}"


def build(settings: Settings, surroundings: Surroundings, media: Media) -> Camera:
    return Camera(settings, surroundings, media)
