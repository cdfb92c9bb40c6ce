"""site.yaml and a site's document as they are read: every fault listed, nothing guessed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.contract.topic import NAME
from hub.document import fault, fill_placeholders, parse_document, read_document
from hub.domain.error import ConfigurationError
from hub.sites.check import check_names, check_references, check_sound
from hub.sites.configuration import SiteConfiguration


def load_site(file: Path) -> SiteConfiguration:
    """A site.yaml; raises ConfigurationError with every fault."""
    configuration, faults = _parse(read_document(file), file)
    if configuration is None or faults:
        raise ConfigurationError(faults)
    return configuration


def check_site(document: Any, file: Path) -> list[str]:
    """Every fault of a site.yaml document; empty when there is none."""
    return _parse(document, file)[1]


def read_site(document: Any, name: str) -> tuple[SiteConfiguration | None, list[str]]:
    """A document that is no file's: from the database or the console. Placeholders are text like any other.
    The site, or None and every fault, each beginning with `name`.
    """
    file = Path(name)
    configuration, faults = parse_document(document, SiteConfiguration, file)
    if configuration is not None:
        faults += [*check_names(configuration, file), *check_references(configuration, file)]
    return (None if faults else configuration), faults


def load_profiles(directory: Path) -> dict[str, dict[str, Any]]:
    """The device profiles by name, as they stand in the files: the hub passes them on, the edge reads them.

    Raises ConfigurationError.
    """
    profiles: dict[str, dict[str, Any]] = {}
    faults = []
    for file in sorted(directory.glob("*.yaml")):
        try:
            document = read_document(file)
        except ConfigurationError as error:
            faults += error.faults
            continue
        name = document.get("profile") if isinstance(document, dict) else None
        if not isinstance(name, str) or not NAME.fullmatch(name):
            faults.append(fault(file, "profile", "is not a name; give the profile's name here", name))
        elif name in profiles:
            faults.append(fault(file, "profile", "stands in two files; rename one of the two", name))
        else:
            profiles[name] = document
    if faults:
        raise ConfigurationError(faults)
    return profiles


def check_profiles(configuration: SiteConfiguration, profiles: Mapping[str, Any], file: Path) -> list[str]:
    """A fault for each device whose profile is not there."""
    return [
        fault(
            file,
            f"devices[{number}].profile",
            "is not a known profile; add its file to the profiles",
            device.profile,
        )
        for number, device in enumerate(configuration.devices)
        if device.profile not in profiles
    ]


def _parse(document: Any, file: Path) -> tuple[SiteConfiguration | None, list[str]]:
    document, faults = fill_placeholders(document, file)
    configuration, more = parse_document(document, SiteConfiguration, file)
    faults += more
    if configuration is not None:
        faults += [*check_names(configuration, file), *check_references(configuration, file)]
    elif isinstance(document, dict):
        faults += check_sound(document, file)
    return configuration, faults
