"""A site's document put to use: with the reflexes that the rules make of it and the profiles of its devices.

By the hub when it starts, and by people, who change one entry, go back to a version or bring a file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from hub.domain.error import ActRefused, ConfigurationError, DataRefused, InvalidAct, NotFound
from hub.rulebook.book import RuleBook, load_book
from hub.rulebook.reflex import compile_reflexes, emitted_kinds
from hub.settings import HubSettings
from hub.sites.configuration import SiteConfiguration
from hub.sites.desk import Hand, apply_configuration
from hub.sites.difference import gone
from hub.sites.document import hash_document, read_whole, write_site
from hub.sites.edit import put_entry
from hub.sites.model import build_model
from hub.sites.origin import Choice, choose
from hub.sites.reading import check_profiles, load_profiles
from hub.store.database import Connection, site_turn, transaction
from hub.store.journal import append_journal
from hub.store.version import Origin, load_gateways, load_origin, load_version, save_origin

MOST_FAULTS: Final = 20
MOST_PER_VERSION: Final = 100
"""Entries of an import that make one version."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outfit:
    """What edges are told besides their devices."""

    profiles: Mapping[str, Mapping[str, Any]]
    book: RuleBook
    broker: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """A site with its edges' reflexes, ready to be applied; made outside of the turn, for it takes its time."""

    configuration: SiteConfiguration
    outfit: Outfit
    reflexes: Mapping[str, Sequence[Mapping[str, Any]]]
    notes: Sequence[str]


def load_outfit(settings: HubSettings) -> Outfit:
    """The profiles, rules and plans that the settings name. Raises ConfigurationError."""
    broker = (settings.broker.edges_host, settings.broker.port)
    return Outfit(load_profiles(settings.profiles), load_book(settings.rules, settings.plans), broker)


def fit(configuration: SiteConfiguration, outfit: Outfit) -> Fitted:
    """The site with its reflexes."""
    emits = emitted_kinds(configuration.profiles_by_device, outfit.profiles)
    made = compile_reflexes(outfit.book, build_model(configuration), emits)
    return Fitted(configuration, outfit, made.tables, made.notes)


def propose(
    connection: Connection, before: Mapping[str, Any], document: Mapping[str, Any], outfit: Outfit
) -> Fitted:
    """A changed document, held against itself, the gateways there are, the profiles and the rules. Raises
    InvalidAct with every fault, each beginning with its field; ActRefused where a rule names what would go.
    """
    configuration, faults = read_whole(document, load_gateways(connection, str(document["site"])))
    if configuration is not None:
        faults = _without_profile(configuration, outfit)
    if configuration is None or faults:
        more = [f"and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
        raise InvalidAct("\n".join(faults[:MOST_FAULTS] + more))
    for section in ("zones", "devices"):
        for name in gone(before, document, section):
            rules = _naming(outfit.book, section, name)
            if rules:
                raise ActRefused(f"{name}: is named by rule {', '.join(rules)}; change the rule first")
    return fit(configuration, outfit)


def put(connection: Connection, fitted: Fitted, *, hand: Hand, at: datetime) -> int | None:
    """Apply it; the new version, or None where nothing changed. Raises what `apply_configuration` raises."""
    return apply_configuration(
        connection,
        fitted.configuration,
        fitted.outfit.profiles,
        reflexes=fitted.reflexes,
        broker=fitted.outfit.broker,
        hand=hand,
        at=at,
    )


def put_entries(
    borrow: Callable[[], AbstractContextManager[Connection]],
    site: str,
    entries: Sequence[tuple[str, Mapping[str, Any]]],
    outfit: Outfit,
    actor: str,
    clock: Callable[[], datetime],
    where: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Put many entries (section, entry) into a site's document, so few to a version that no turn takes long.
    How many were done, and what refused the next ones, empty where nothing did: what came before stands.
    """
    told = {name: value for name, value in (where or {}).items() if value}
    for begin in range(0, len(entries), MOST_PER_VERSION):
        try:
            with borrow() as connection:
                newest = load_version(connection, site)
                if newest is None:
                    raise NotFound("the site has no document yet; start the hub with its site.yaml")
                document = dict(newest.document)
                for section, entry in entries[begin : begin + MOST_PER_VERSION]:
                    document = put_entry(document, section, entry)
                fitted = propose(connection, newest.document, document, outfit)
                hand = Hand(actor, "import", where=told, seen=newest.version)
                put(connection, fitted, hand=hand, at=clock())
        except (ActRefused, DataRefused, InvalidAct, NotFound) as refusal:
            return begin, str(refusal)
    return len(entries), ""


def start_site(
    connection: Connection, file: SiteConfiguration, outfit: Outfit, *, actor: str, at: datetime
) -> int | None:
    """Begin with site.yaml, or where people changed the site since, with what they made of it and site.yaml's
    gateways. A site.yaml that would undo their work is refused: logged at each start, journaled once.
    Returns the version that was applied, None where nothing changed.
    """
    site, document = file.site, write_site(file)
    newest = load_version(connection, site)
    origin = load_origin(connection, site)
    choice = choose(document, newest.document if newest else None, origin)
    hand = Hand(actor, "file")
    fitted = fit(file, outfit) if choice is Choice.FILE else None
    if fitted is None and newest is not None:
        gateways = [edge.model_dump(mode="json") for edge in file.edges]
        configuration, faults = read_whole(newest.document, gateways)
        if configuration is not None:
            faults = _without_profile(configuration, outfit)
        if choice is Choice.REFUSED or faults:
            mark = hash_document({"document": document, "faults": faults})
            _refuse(connection, site, origin, mark, newest.version, faults, actor, at)
        if configuration is None or faults:
            return None
        fitted, hand = fit(configuration, outfit), Hand(actor, "start")
    if fitted is None:
        raise AssertionError("a site without a version is taken from its file")
    version = put(connection, fitted, hand=hand, at=at)
    if version is not None:
        _log.info("%s: configuration version %d applied", site, version)
        for note in fitted.notes:
            _log.info("reflex: %s", note)
    return version


def replace_site(
    connection: Connection, file: SiteConfiguration, outfit: Outfit, *, actor: str, at: datetime
) -> int | None:
    """Take site.yaml's document, whatever people changed since; one can go back to the version before.
    Gateways stay as they are until the hub starts: they come of its own environment, which is not the caller's.
    Raises ConfigurationError where the document does not go with them.
    """
    gateways = load_gateways(connection, file.site)
    if not gateways:
        return put(connection, fit(file, outfit), hand=Hand(actor, "file", reason="replace"), at=at)
    configuration, faults = read_whole(write_site(file), gateways)
    if configuration is None:
        raise ConfigurationError(
            [f"site.yaml does not go with the present gateways: {line}" for line in faults]
        )
    return put(connection, fit(configuration, outfit), hand=Hand(actor, "file", reason="replace"), at=at)


def _refuse(
    connection: Connection,
    site: str,
    origin: Origin,
    mark: str,
    version: int,
    faults: Sequence[str],
    actor: str,
    at: datetime,
) -> None:
    """`faults`: why the database's document does not go with site.yaml's gateways; none: both were changed."""
    cure = (
        f"correct the gateways in site.yaml: {'; '.join(faults[:3])}"
        if faults
        else f"take over what was changed: `sanfang site document {site}`;"
        f" or drop it: `sanfang site replace {site}`"
    )
    _log.warning("%s: site.yaml is not taken in, version %d stays; %s", site, version, cure)
    if mark == origin.refused_hash:
        return
    with transaction(connection):
        site_turn(connection, site)
        save_origin(connection, site, Origin(origin.file_hash, mark))
        append_journal(
            connection,
            site,
            at=at,
            actor=actor,
            subject=f"site:{site}",
            kind="configuration.refused",
            body={"version": version, "hash": mark, "faults": list(faults[:MOST_FAULTS]), "cure": cure},
        )


def _without_profile(configuration: SiteConfiguration, outfit: Outfit) -> list[str]:
    name = Path(configuration.site)
    names = {f"devices[{n}]": f"devices[{each.device}]" for n, each in enumerate(configuration.devices)}
    found = []
    for line in check_profiles(configuration, outfit.profiles, name):
        field, _, rest = line.removeprefix(f"{name}: ").partition(".")
        found.append(f"{names[field]}.{rest}")
    return found


def _naming(book: RuleBook, section: str, name: str) -> list[str]:
    def names(scope: Any) -> Iterable[str]:
        return (*scope.devices, *scope.except_devices) if section == "devices" else scope.zones

    return [rule.rule for rule in book.rules if name in names(rule.scope)]
