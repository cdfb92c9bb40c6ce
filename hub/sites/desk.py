"""What can be done with a site's configuration: apply it, journaled, with the settings of its edges."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from hub.domain.chain import canonical
from hub.domain.error import ActRefused, Moved
from hub.sites.configuration import DeviceConfiguration, EdgeConfiguration, SiteConfiguration
from hub.sites.difference import compare, gone
from hub.sites.document import hash_document, write_site
from hub.sites.people import people_tables
from hub.store.database import Connection, site_turn, transaction
from hub.store.journal import append_journal
from hub.store.seed import seed_people
from hub.store.site import (
    SiteTables,
    active_devices,
    load_configuration_state,
    save_edge_settings,
    save_site,
)
from hub.store.version import Origin, SiteVersion, load_version, save_origin, save_version, uses_of

MOST_TOLD: Final = 50
"""So many names of what came, went or changed stand in the journal; the version has them all."""


@dataclass(frozen=True, slots=True)
class Hand:
    """Who applies a document, and why. `source`: what `SiteVersion` names; `seen`: the version that was seen,
    None for programs.
    """

    actor: str
    source: str = "file"
    reason: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    seen: int | None = None


def apply_configuration(
    connection: Connection,
    configuration: SiteConfiguration,
    profiles: Mapping[str, Mapping[str, Any]],
    *,
    reflexes: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    broker: tuple[str, int] | None = None,
    hand: Hand,
    at: datetime,
) -> int | None:
    """Bring a site's rows and its edges' settings to the configuration, in one transaction and turn.
    `reflexes`: the reflex table of each edge, as the rule book gives it; `broker`: host and port at which edges
    reach the broker, so that they move when it does.

    Returns the new version, journaled as `configuration.applied`, or None where nothing changed. Devices
    that vanished become inactive: their history stays. Raises StoreUnavailable; for a person Moved where one
    was faster than `hand.seen`, and ActRefused where what would go is in use.
    """
    site = configuration.site
    tables = reflexes or {}
    documents = {
        edge.edge: settings_document(configuration, edge, profiles, tables.get(edge.edge, ()), broker)
        for edge in configuration.edges
    }
    document = write_site(configuration)
    edges = [edge.model_dump(mode="json") for edge in configuration.edges]
    whole = {"document": document, "gateways": sorted(edges, key=lambda each: each["edge"]), "edges": documents}
    digest = hashlib.sha256(canonical(whole).encode()).hexdigest()
    rows = _tables(configuration, at)
    with transaction(connection):
        site_turn(connection, site)
        state = load_configuration_state(connection, site)
        present = int(state["configuration_version"]) if state else 0
        if hand.seen is not None and hand.seen != present:
            raise Moved(f"version: {hand.seen} was seen, and {present} is there by now; look again")
        if state is not None and state["configuration_hash"] == digest:
            seed_people(connection, site, rows.people)
            if hand.source == "file":
                save_origin(connection, site, Origin(hash_document(document)))
            return None
        last = load_version(connection, site)
        past = last.document if last else {}
        if hand.seen is not None:
            _refuse_use(connection, site, past, document)
        version = present + 1
        before = active_devices(connection, site)
        save_site(connection, rows, version=version, digest=digest, at=at)
        after = active_devices(connection, site)
        sent = {
            edge: number
            for edge, settings in documents.items()
            if (number := save_edge_settings(connection, site, edge, settings)) is not None
        }
        save_version(connection, site, SiteVersion(version, at, hand.actor, hand.source, hand.reason, document))
        if hand.source == "file":
            save_origin(connection, site, Origin(hash_document(document)))
        changes = [f"{each.noun} {each.name}".strip() for each in compare(past, document)]
        append_journal(
            connection,
            site,
            at=at,
            actor=hand.actor,
            subject=f"site:{site}",
            kind="configuration.applied",
            body={
                "version": version,
                "hash": digest,
                "source": hand.source,
                "devices": len(after),
                "added": sorted(after - before),
                "removed": sorted(before - after),
                "changes": len(changes),
                "changed": changes[:MOST_TOLD],
                "settings": sent,
                **({"reason": hand.reason} if hand.reason else {}),
                **hand.where,
            },
        )
    return version


def _refuse_use(connection: Connection, site: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """What goes on somewhere must end before the place goes. Raises ActRefused, naming it."""
    zones, devices = gone(before, after, "zones"), gone(before, after, "devices")
    uses = uses_of(connection, site, zones=zones, devices=devices)
    if uses:
        told = "; ".join(f"{noun} {', '.join(which[:10])}" for noun, which in uses.items())
        raise ActRefused(f"{', '.join([*zones, *devices][:10])}: in use by {told}; end or change that first")


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
