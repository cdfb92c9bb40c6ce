"""Draws what a camera sees: a still scene, people walking, a clock, a little noise. 640 × 360."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

WIDTH: Final = 640
HEIGHT: Final = 360
_JPEG_QUALITY: Final = 70
_NOISES: Final = 5
_SHADES: Final = ((150, 90, 50), (60, 60, 170), (70, 130, 70), (160, 140, 60), (90, 60, 120), (40, 110, 160))
"""School uniforms and coats, blue-green-red."""

Image = npt.NDArray[np.uint8]


class Scene(StrEnum):
    GATE = "gate"
    CORRIDOR = "corridor"
    PLAYGROUND = "playground"
    KITCHEN = "kitchen"


@dataclass(slots=True)
class _Person:
    x: float
    """Left to right, in pixels."""
    y: float
    """The feet; the lower, the nearer and larger."""
    pace: float
    """Pixels per second, negative to the left."""
    shade: tuple[int, int, int]


class Painter:
    """One camera's picture. Keeps its people between pictures."""

    def __init__(self, scene: Scene, label: str, chance: random.Random) -> None:
        self._chance = chance
        self._label = label
        self._background = _paint_background(scene, chance)
        generator = np.random.default_rng(chance.getrandbits(32))
        self._noises: list[Image] = [
            generator.integers(0, 7, (HEIGHT, WIDTH, 1), dtype=np.uint8).repeat(3, axis=2)
            for _ in range(_NOISES)
        ]
        self._people: list[_Person] = []
        self._before: datetime | None = None
        self._count = 0

    def draw(self, at: datetime, people: int, *, covered: bool = False, dark: bool = False) -> bytes:
        """The picture of this moment as JPEG. Two pictures are never the same bytes."""
        passed_s = (at - self._before).total_seconds() if self._before is not None else 0.0
        self._before = at
        self._count += 1
        self._walk(min(max(passed_s, 0.0), 1.0), people)
        if covered:
            image: Image = np.full((HEIGHT, WIDTH, 3), 38, dtype=np.uint8)
        else:
            image = self._background.copy()
            for person in sorted(self._people, key=lambda one: one.y):
                _paint_person(image, person)
            if dark:
                cv2.convertScaleAbs(image, image, 0.06, 0)
        noise = self._noises[self._count % _NOISES]
        if dark or covered:
            cv2.convertScaleAbs(noise, noise_faint := np.empty_like(noise), 0.4, 0)
            noise = noise_faint
        cv2.add(image, noise, image)
        if not dark:
            _write(image, self._label, (10, HEIGHT - 12))
            _write(image, f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 100_000}", (10, 22))
        # The count in the last pixels: an encoder may well make two noises the same bytes in the dark.
        image[-8:, -8:] = (self._count * 9) % 64
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        return bytes(data)

    def _walk(self, passed_s: float, wanted: int) -> None:
        for person in self._people:
            person.x += person.pace * passed_s
        self._people = [person for person in self._people if -60 < person.x < WIDTH + 60]
        if len(self._people) < wanted and self._chance.random() < 0.5:
            rightward = self._chance.random() < 0.5
            pace = self._chance.uniform(40, 110)
            self._people.append(
                _Person(
                    x=-50.0 if rightward else WIDTH + 50.0,
                    y=self._chance.uniform(HEIGHT * 0.62, HEIGHT * 0.97),
                    pace=pace if rightward else -pace,
                    shade=self._chance.choice(_SHADES),
                )
            )


def _paint_person(image: Image, person: _Person) -> None:
    tall = 40 + (person.y - HEIGHT * 0.55) * 0.75
    x, y = int(person.x), int(person.y)
    head, wide = max(3, int(tall * 0.11)), max(4, int(tall * 0.14))
    stride = int(tall * 0.10 * np.sin(person.x / 9.0))
    hips, neck = int(y - tall * 0.45), int(y - tall * 0.80)
    for side in (-1, 1):
        cv2.line(image, (x, hips), (x + side * stride, y), (45, 40, 38), max(2, wide // 2))
    cv2.rectangle(image, (x - wide, neck), (x + wide, hips), person.shade, cv2.FILLED)
    cv2.circle(image, (x, int(y - tall * 0.90)), head, (150, 180, 215), cv2.FILLED)


def _write(image: Image, text: str, at: tuple[int, int]) -> None:
    x, y = at
    cv2.rectangle(image, (x - 4, y - 15), (x + 9 * len(text), y + 5), (32, 32, 32), cv2.FILLED)
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (235, 235, 235), 1)


def _paint_background(scene: Scene, chance: random.Random) -> Image:
    image: Image = np.empty((HEIGHT, WIDTH, 3), dtype=np.uint8)
    horizon = HEIGHT * 11 // 20
    upper, lower = _COLOURS[scene]
    image[:horizon] = upper
    image[horizon:] = lower
    if scene is Scene.GATE:
        for x in range(20, WIDTH, 26):
            cv2.line(image, (x, horizon - 90), (x, horizon + 12), (90, 90, 95), 3)
        cv2.rectangle(image, (0, horizon - 150), (60, horizon + 30), (96, 120, 150), cv2.FILLED)
        cv2.rectangle(image, (WIDTH - 60, horizon - 150), (WIDTH, horizon + 30), (96, 120, 150), cv2.FILLED)
    elif scene is Scene.CORRIDOR:
        for x in range(40, WIDTH, 150):
            cv2.rectangle(image, (x, horizon - 120), (x + 70, horizon + 6), (88, 110, 140), cv2.FILLED)
            cv2.circle(image, (x + 62, horizon - 50), 3, (210, 210, 210), cv2.FILLED)
        cv2.line(image, (0, horizon), (WIDTH, horizon), (120, 120, 120), 2)
    elif scene is Scene.PLAYGROUND:
        cv2.ellipse(image, (WIDTH // 2, HEIGHT - 40), (300, 80), 0, 0, 360, (70, 90, 185), 18)
        for x in (90, WIDTH - 90):
            cv2.line(image, (x, horizon - 70), (x, horizon + 40), (220, 220, 220), 4)
            cv2.rectangle(image, (x - 24, horizon - 90), (x + 24, horizon - 62), (235, 235, 235), 2)
    else:
        for x in range(30, WIDTH, 130):
            cv2.rectangle(image, (x, horizon - 30), (x + 100, horizon + 50), (165, 165, 170), cv2.FILLED)
            cv2.rectangle(image, (x, horizon - 30), (x + 100, horizon + 50), (105, 105, 110), 2)
            cv2.circle(image, (x + 50, horizon - 8), 16, (70, 70, 75), 3)
    # Texture, so that a healthy picture is sharp and a covered one plainly is not.
    for _ in range(160):
        x, y = chance.randrange(WIDTH), chance.randrange(HEIGHT)
        shade = chance.randint(-22, 22)
        patch = image[y : y + 5, x : x + 9].astype(np.int16) + shade
        image[y : y + 5, x : x + 9] = patch.clip(0, 255).astype(np.uint8)
    return image


_COLOURS: Final = {
    Scene.GATE: ((205, 190, 165), (128, 128, 126)),
    Scene.CORRIDOR: ((196, 206, 208), (140, 152, 158)),
    Scene.PLAYGROUND: ((214, 196, 160), (86, 140, 92)),
    Scene.KITCHEN: ((206, 208, 204), (150, 158, 164)),
}
