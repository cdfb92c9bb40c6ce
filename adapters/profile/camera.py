"""The camera part of a profile: when a picture counts as dark, covered, frozen or lost."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from adapters.profile.model import Capture, Fault, Part


class CameraSection(Part):
    """Thresholds on a grey picture of at most 320 pixels' width, values 0–255."""

    analysed_fps: float = Field(default=3.0, gt=0, le=10)
    dark_below: float = Field(default=25.0, ge=0, le=255)
    """Mean brightness below which the picture is dark."""
    covered_contrast_below: float = Field(default=15.0, ge=0, le=255)
    """Span of the middle nine tenths of the pixels below which the lens is covered."""
    motion_fraction: float = Field(default=0.003, gt=0, lt=1)
    """Share of pixels that must change for motion."""
    hold_s: float = Field(default=2.0, ge=0)
    """A condition must last this long before it is reported …"""
    release_s: float = Field(default=3.0, ge=0)
    """… and be gone this long before its end is."""
    frozen_after_s: float = Field(default=5.0, gt=0)
    """Not one pixel has changed for so long."""
    lost_after_s: float = Field(default=5.0, gt=0)
    """No picture for so long."""

    def captures(self) -> Iterator[tuple[str, Capture]]:
        """Each event kind with how surely it is caught."""
        for kind in ("signal_lost", "frozen", "covered", "dark", "motion"):
            yield f"camera.{kind}", "sampled"

    def points(self) -> Iterator[str]:
        yield from ("fps", "brightness", "sharpness")

    def faults(self, field: str) -> list[Fault]:
        """Every fault that a look at one field cannot show."""
        if self.frozen_after_s * self.analysed_fps < 2:
            cure = "two pictures at least must be compared: raise it or analysed_fps"
            return [Fault(f"{field}.frozen_after_s", self.frozen_after_s, cure)]
        return []
