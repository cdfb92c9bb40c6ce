"""A site's places and devices for the rules, straight from its configuration: what the store gives after it is
applied.
"""

from __future__ import annotations

from hub.domain.judgement import DeviceFact, SiteModel
from hub.sites.configuration import DeviceConfiguration, SiteConfiguration


def build_model(configuration: SiteConfiguration) -> SiteModel:
    """The model of a site as it is configured."""
    return SiteModel(
        site=configuration.site,
        devices={device.device: _fact(device) for device in configuration.devices},
        zone_parents={zone.zone: zone.parent for zone in configuration.zones},
        zone_classes={zone.zone: zone.class_ for zone in configuration.zones},
        zone_kinds={zone.zone: zone.kind for zone in configuration.zones},
    )


def _fact(device: DeviceConfiguration) -> DeviceFact:
    return DeviceFact(
        device=device.device,
        family=device.family,
        zone=device.zone,
        edge=device.edge,
        address_zones={
            address: details.zone for address, details in device.addresses.items() if details.zone is not None
        },
        writes=frozenset(device.writes),
        addresses=tuple(sorted(device.addresses)),
    )
