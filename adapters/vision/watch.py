"""Whether a camera sees: conditions with hold-off out of measurements. Pure; time is an argument."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from adapters.profile.camera import CameraSection
from adapters.vision.picture import Measurement

Change = tuple[str, bool]
"""(kind, active)"""


class HoldOff:
    """A condition that is told only when it has held for a while, and its end likewise. The first
    word that all is well is told at once: until then nobody knows.
    """

    def __init__(self, kind: str, begin_s: float, end_s: float) -> None:
        self._kind = kind
        self._wait_s = {True: begin_s, False: end_s}
        self._told: bool | None = None
        self._since_s: float | None = None

    def judge(self, holds: bool, now_s: float) -> Change | None:
        """Take one look; the change to tell, if any."""
        if holds is self._told:
            self._since_s = None
            return None
        if self._since_s is None:
            self._since_s = now_s
        first_good = self._told is None and not holds
        if not first_good and now_s - self._since_s < self._wait_s[holds]:
            return None
        self._told, self._since_s = holds, None
        return self._kind, holds


_MOTION_ENDS_S: Final = 10.0


class CameraWatch:
    """The health of one camera."""

    def __init__(self, section: CameraSection, now_s: float) -> None:
        self._section = section
        hold_s, release_s = section.hold_s, section.release_s
        self._covered = HoldOff("camera.covered", hold_s, release_s)
        self._dark = HoldOff("camera.dark", hold_s, release_s)
        self._frozen = HoldOff("camera.frozen", section.frozen_after_s, 0.0)
        self._motion = HoldOff("camera.motion", 0.0, _MOTION_ENDS_S)
        self._lost = HoldOff("camera.signal_lost", 0.0, 0.0)
        self._offline = HoldOff("device.offline", section.lost_after_s, 0.0)
        self._picture_at_s = now_s

    def see_picture(self, picture: Measurement, now_s: float) -> list[Change]:
        """A picture came."""
        self._picture_at_s = now_s
        return list(self._judge_picture(picture, now_s))

    def miss_picture(self, now_s: float) -> list[Change]:
        """None came. What the lens sees is unknown, so nothing is said of that."""
        lost = now_s - self._picture_at_s >= self._section.lost_after_s
        change = self._lost.judge(True, now_s) if lost else None
        return [change] if change else []

    def note_reach(self, reached: bool, now_s: float) -> list[Change]:
        """Whether the camera answers at all, pictures or not."""
        change = self._offline.judge(not reached, now_s)
        return [change] if change else []

    def _judge_picture(self, picture: Measurement, now_s: float) -> Iterator[Change]:
        section = self._section
        dark = picture.brightness < section.dark_below
        # In the dark every lens looks covered: only one of the two is said.
        covered = not dark and picture.contrast < section.covered_contrast_below
        blind = dark or covered or picture.same
        judgements = [
            self._lost.judge(False, now_s),
            self._dark.judge(dark, now_s),
            self._covered.judge(covered, now_s),
        ]
        if picture.changed is not None:
            judgements.append(self._frozen.judge(picture.same, now_s))
            judgements.append(
                self._motion.judge(not blind and picture.changed >= section.motion_fraction, now_s)
            )
        yield from (change for change in judgements if change)
