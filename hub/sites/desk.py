"""What can be done with a site's configuration: apply it, journaled, with the settings of its edges."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hub.domain.chain import canonical
from hub.sites.configuration import DeviceConfiguration, EdgeConfiguration, SiteConfiguration
from hub.sites.people import people_tables
from hub.store.database import Connection, site_turn, transaction
from hub.store.journal import append_journal
from hub.store.site import (
    SiteTables,
    active_devices,
    load_configuration_state,
    save_edge_settings,
    save_site,
)


def apply_configuration(
    connection: Connection,
    configuration: SiteConfiguration,
    profiles: Mapping[str, Mapping[str, Any]],
    *,
    reflexes: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    broker: tuple[str, int] | None = None,
    actor: str,
    at: datetime,
) -> int | None:
    """Bring a site's rows and its edges' settings to the configuration, in one transaction and turn.
    `reflexes`: the reflex table of each edge, as the rule book gives it; `broker`: host and port at which edges
    reach the broker, so that they move when it does.

    Returns the new version, journaled as `configuration.applied`, or None where nothing changed. Devices
    that vanished become inactive: their history stays. Raises StoreUnavailable.
    """
    site = configuration.site
    tables = reflexes or {}
    documents = {
        edge.edge: settings_document(configuration, edge, profiles, tables.get(edge.edge, ()), broker)
        for edge in configuration.edges
    }
    digest = hashlib.sha256(
        canonical({"site": configuration.model_dump(mode="json", by_alias=True), "edges": documents}).encode()
    ).hexdigest()
    with transaction(connection):
        site_turn(connection, site)
        state = load_configuration_state(connection, site)
        if state is not None and state["configuration_hash"] == digest:
            return None
        version = int(state["configuration_version"]) + 1 if state else 1
        before = active_devices(connection, site)
        save_site(connection, _tables(configuration, at), version=version, digest=digest, at=at)
        after = active_devices(connection, site)
        sent = {
            edge: number
            for edge, document in documents.items()
            if (number := save_edge_settings(connection, site, edge, document)) is not None
        }
        append_journal(
            connection,
            site,
            at=at,
            actor=actor,
            subject=f"site:{site}",
            kind="configuration.applied",
            body={
                "version": version,
                "hash": digest,
                "devices": len(after),
                "added": sorted(after - before),
                "removed": sorted(before - after),
                "settings": sent,
            },
        )
    return version


def settings_document(
    configuration: SiteConfiguration,
    edge: EdgeConfiguration,
    profiles: Mapping[str, Mapping[str, Any]],
    reflexes: Sequence[Mapping[str, Any]] = (),
    broker: tuple[str, int] | None = None,
) -> dict[str, Any]:
    """The JSON document that an edge gets, whole: connections, devices, their profiles, reflexes."""
    devices = [device for device in configuration.devices if device.edge == edge.edge]
    return {
        "site": configuration.site,
        "edge": edge.edge,
        "connections": [connection.model_dump(mode="json") for connection in edge.connections],
        "devices": [
            {
                "device": device.device,
                "family": device.family,
                "connection": device.connection,
                "profile": device.profile,
                "address": device.address or device.device,
                "addresses": list(device.addresses),
                "parameters": device.parameters,
                "writes": list(device.writes),
            }
            for device in devices
        ],
        "profiles": {name: profiles[name] for name in sorted({device.profile for device in devices})},
        "reflexes": list(reflexes),
        "broker": None if broker is None else {"host": broker[0], "port": broker[1]},
    }


def _tables(configuration: SiteConfiguration, at: datetime) -> SiteTables:
    return SiteTables(
        site=configuration.site,
        name=configuration.name.model_dump(),
        area=configuration.area,
        time_zone=configuration.time_zone,
        escalation=configuration.escalation.model_dump(mode="json"),
        zones={
            zone.zone: {
                "parent": zone.parent,
                "name": zone.name.model_dump(),
                "class": zone.class_,
                "kind": zone.kind,
                "key_location": zone.key_location,
                "ordinal": ordinal,
            }
            for ordinal, zone in enumerate(configuration.zones)
        },
        edges={edge.edge: {"name": edge.name.model_dump(), "active": True} for edge in configuration.edges},
        devices={device.device: _device_row(device) for device in configuration.devices},
        posts={
            post.post: {"name": post.name.model_dump(), "ordinal": ordinal}
            for ordinal, post in enumerate(configuration.posts)
        },
        people=people_tables(configuration, configuration.time_zone, at),
    )


def _device_row(device: DeviceConfiguration) -> dict[str, Any]:
    return {
        "name": device.name.model_dump(),
        "family": device.family,
        "zone": device.zone,
        "edge": device.edge,
        "connection": device.connection,
        "profile": device.profile,
        "configuration": {
            "address": device.address or device.device,
            "addresses": {
                address: details.model_dump(exclude_none=True) for address, details in device.addresses.items()
            },
            "parameters": device.parameters,
            "writes": list(device.writes),
        },
        "notes": device.notes,
        "active": True,
    }
