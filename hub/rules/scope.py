"""Which devices a rule is about."""

from __future__ import annotations

from typing import Literal

from hub.document import StrictModel
from hub.domain.judgement import SiteModel
from hub.rules.field import Family, Name


class Scope(StrictModel):
    """All that is written must hold; what is not written holds for everything.

    `zones` include their descendants. Devices that the site does not know (the hub's own supervision)
    are in scope only where no family, zone or class is asked for.
    """

    families: tuple[Family, ...] = ()
    devices: tuple[Name, ...] = ()
    except_devices: tuple[Name, ...] = ()
    zones: tuple[Name, ...] = ()
    zone_classes: tuple[Literal["key", "sensitive", "general"], ...] = ()

    def holds(self, model: SiteModel, device: str, zone: str | None) -> bool:
        """Is the device, standing in that zone, in scope?"""
        if device in self.except_devices or (self.devices and device not in self.devices):
            return False
        if self.families:
            fact = model.devices.get(device)
            if fact is None or fact.family not in self.families:
                return False
        if self.zones and not set(self.zones).intersection(model.zone_path(zone)):
            return False
        return not self.zone_classes or (
            zone is not None and model.zone_classes.get(zone, "general") in self.zone_classes
        )
