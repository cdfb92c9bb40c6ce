"""The hub as a program: the one file that knows every room.

`run_hub` prepares the database, applies the sites' configuration and keeps three processes running;
`run_process` is one of them. The command line's other orders to a hub are here, too.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

from adapters.contract.topic import Sender
from hub import watchdog
from hub.accounts.desk import make_setup_token
from hub.accounts.rescue import describe_accounts, reset_account
from hub.clock import utc_now
from hub.dispatch.place import Outfit, replace_site, start_site
from hub.domain.error import ConfigurationError, HubError, InvalidAct, NotFound, StoreUnavailable
from hub.family import Child, die_with_parent, keep_running, write_pid
from hub.rulebook.book import RuleBook, load_book
from hub.settings import HubSettings, check_exposure, load_settings
from hub.sites.configuration import SiteConfiguration
from hub.sites.document import write_yaml
from hub.sites.enrolment import forget_edge, invite_edge, open_desk
from hub.sites.reading import check_profiles, load_profiles, load_site
from hub.sites.rotation import rotate_key
from hub.store.database import Connection, connect, site_turn, transaction
from hub.store.migration import SchemaMismatch, migrate
from hub.store.quarantine import list_quarantine, request_retry
from hub.store.site import list_sites
from hub.store.version import load_version
from hub.store.wall import WallRefused, dsn_of, load_passwords
from hub.tls import check_tls


# A process imports its own rooms only: the others' would cost it memory and the start a second.
def _run_api(settings: HubSettings) -> int:
    from hub.api.server import run_api

    return run_api(_as(settings, "api"))


def _run_worker(settings: HubSettings) -> int:
    from hub.intake.worker import run_worker

    return run_worker(_as(settings, "intake"), owner=settings.database)


def _run_chores(settings: HubSettings) -> int:
    from hub.jobs.runner import run_chores
    from hub.notify.notifier import Notifier

    walled = _as(settings, "chores").database
    return run_chores(settings, walled, [Notifier(walled, settings.webhooks)])


def _as(settings: HubSettings, role: str) -> HubSettings:
    """The settings with the database as one of its roles sees it."""
    walled = dsn_of(settings.database, role, settings.data_dir)
    return settings.model_copy(update={"database": walled})


PROCESSES: Final[Mapping[str, Callable[[HubSettings], int]]] = {
    "api": _run_api,
    "worker": _run_worker,
    "chores": _run_chores,
}
"""In the order of starting; they end in the reverse, so that screens see the longest."""
ACTOR: Final = "system:hub"
_BACK_OFF_S: Final = (0.2, 0.4, 0.8, 1.6, 2.0)
_LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


def run_hub(config: Path) -> int:
    """Run the whole hub until SIGTERM or SIGINT; returns the exit code.

    Raises ConfigurationError with every fault before anything is started, also where the database
    belongs to another version.
    """
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stderr)
    settings = load_settings(config)
    sites, profiles, book = _load_all(settings)
    stop = _stop_on_signal()
    with _pid_file(settings, "hub"):
        if _when_there(lambda: _migrate(settings), stop) is None:
            return 0
        token = _when_there(lambda: _prepare(settings, sites, profiles, book), stop)
        if token:
            print(f"The one-time set-up token for the first administrator: {token}", flush=True)
        if stop.is_set():
            return 0
        command = [sys.executable, "-m", "sanfang", "hub", "--config", str(config.resolve()), "--only"]
        keep_running([Child(f"hub-{name}", [*command, name]) for name in PROCESSES], stop)
    return 0


def run_process(config: Path, name: str) -> int:
    """Run one of the three processes until SIGTERM; returns its exit code. Raises ConfigurationError."""
    die_with_parent()
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stderr)
    if name not in PROCESSES:
        raise ConfigurationError([f"--only: {name!r} is no process; use one of {', '.join(PROCESSES)}"])
    settings = load_settings(config)
    with _pid_file(settings, f"hub-{name}"):
        watchdog.begin(watchdog.HUNG_S[name])
        try:
            return PROCESSES[name](settings)
        finally:
            watchdog.end()


def invite(config: Path, site: str | None, edge: str) -> str:
    """An invitation token for an edge; `site` is needed where several have an edge of that name."""
    settings = load_settings(config)
    authority = open_desk(settings, None).authority
    ca = authority.fingerprint if authority else ""
    with _asking(settings) as connection:
        return invite_edge(connection, edge, site, url=settings.http.url, ca=ca, at=utc_now())


def forget(config: Path, sender: Sender) -> bool:
    """Take an edge's secret away, so that nothing it signs is believed; whether it had one."""
    with _asking(load_settings(config)) as connection:
        return forget_edge(connection, sender, actor=ACTOR, at=utc_now())


def rotate(config: Path, site: str | None, edge: str) -> str:
    """Ask an edge to sign with its next key; what is done and what follows, for the person."""
    with _asking(load_settings(config)) as connection:
        where, number = rotate_key(connection, edge, site, actor=ACTOR, at=utc_now())
    return f"{where}/{edge} is asked to sign with key {number}; the older one is refused as soon as it does"


def setup_token(config: Path) -> str | None:
    """A new one-time token for the first administrator; None once somebody has an account."""
    with _asking(load_settings(config)) as connection:
        return make_setup_token(connection, utc_now())


def account_list(config: Path) -> list[str]:
    """Every account, one line each: name, id, state, second factors, roles."""
    with _asking(load_settings(config)) as connection:
        return describe_accounts(connection)


def account_reset(config: Path, name: str, *, second_factor: bool) -> list[str]:
    """Let somebody back in: what to tell him. Raises ConfigurationError where there is no such account."""
    settings = load_settings(config)
    with _asking(settings) as connection:
        made = reset_account(connection, name, second_factor=second_factor, actor=ACTOR, now=utc_now())
    return [
        f"With this token {name} sets a new password, once, until {made.expires_at:%Y-%m-%d %H:%M}Z:",
        made.token,
        f'Open {settings.http.url}, choose "invitation", and enter it.',
    ]


def quarantine_list(config: Path, site: str | None) -> list[str]:
    """What is held, one line each: number, site, edge, when, why."""
    with _asking(load_settings(config)) as connection:
        lines = []
        for name in _sites(connection, site):
            for row in list_quarantine(connection, name):
                lane = "" if row["lane"] is None else f" lane {row['lane']} item {row['sequence']}"
                lines.append(
                    f"{row['quarantine']}  {name}/{row['edge']}{lane}  {row['recorded_at']:%Y-%m-%d %H:%M:%S}Z"
                    f"  {row['state']}  {row['code']}: {row['reason']}"
                )
        return lines


def quarantine_retry(config: Path, site: str | None, number: int) -> str:
    """Ask the site's worker to try a held item again."""
    with _asking(load_settings(config)) as connection:
        names = _sites(connection, site)
        if len(names) != 1:
            raise InvalidAct(f"site: there are {', '.join(names)}; say which with --site")
        with transaction(connection):
            site_turn(connection, names[0])
            seq = request_retry(connection, names[0], number, actor=ACTOR, at=utc_now())
    return f"item {number} of {names[0]} is tried again by the worker (journal row {seq})"


def site_document(config: Path, site: str) -> str:
    """The newest version of a site's document, as it can stand in site.yaml: no gateways, no people."""
    with _asking(load_settings(config)) as connection:
        _sites(connection, site)
        newest = load_version(connection, site)
    if newest is None:
        raise ConfigurationError([f"SITE: {site} has no document yet; start the hub with its site.yaml"])
    return write_yaml(newest.document)


def site_replace(config: Path, name: str) -> int | None:
    """Take a site's site.yaml whole, whatever was changed in the console; the new version, None: it was so."""
    settings = load_settings(config)
    sites, profiles, book = _load_all(settings)
    site = next((each for each in sites if each.site == name), None)
    if site is None:
        known = ", ".join(each.site for each in sites)
        raise ConfigurationError([f"SITE: no file under `sites` is of {name!r}; there is {known or 'none'}"])
    with _asking(settings) as connection:
        return replace_site(connection, site, _outfit(settings, profiles, book), actor=ACTOR, at=utc_now())


def _load_all(
    settings: HubSettings,
) -> tuple[list[SiteConfiguration], Mapping[str, Mapping[str, object]], RuleBook]:
    """Everything that the hub is configured with; raises ConfigurationError with all faults of all files."""
    faults = check_exposure(settings) + check_tls(settings)
    sites: list[SiteConfiguration] = []
    profiles: Mapping[str, Mapping[str, object]] = {}
    try:
        profiles = load_profiles(settings.profiles)
    except ConfigurationError as error:
        faults += error.faults
    for file in settings.sites:
        try:
            site = load_site(file)
        except ConfigurationError as error:
            faults += error.faults
            continue
        if site.site in {other.site for other in sites}:
            faults.append(f"{file}: site: stands in two files (is: {site.site!r}); rename one of the two")
        faults += check_profiles(site, profiles, file)
        sites.append(site)
    book = RuleBook()
    try:
        book = load_book(settings.rules, settings.plans)
    except ConfigurationError as error:
        faults += error.faults
    for folder in (settings.run_dir, settings.data_dir):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            faults.append(f"{folder}: cannot be made ({error.strerror}); choose another folder")
    if faults:
        raise ConfigurationError(faults)
    return sites, profiles, book


def _migrate(settings: HubSettings) -> list[int]:
    try:
        passwords = load_passwords(settings.database, settings.data_dir)
        return migrate(settings.database, passwords=passwords)
    except (SchemaMismatch, WallRefused) as error:
        raise ConfigurationError([f"database: {error}"]) from error


def _prepare(
    settings: HubSettings,
    sites: list[SiteConfiguration],
    profiles: Mapping[str, Mapping[str, object]],
    book: RuleBook,
) -> str:
    """Apply the configuration; returns the set-up token at the very first start, else nothing."""
    connection = connect(settings.database, application="sanfang hub")
    outfit = _outfit(settings, profiles, book)
    try:
        now = utc_now()
        for site in sites:
            start_site(connection, site, outfit, actor=ACTOR, at=now)
        return make_setup_token(connection, now, only_first=True) or ""
    finally:
        connection.close()


def _outfit(settings: HubSettings, profiles: Mapping[str, Mapping[str, object]], book: RuleBook) -> Outfit:
    return Outfit(profiles, book, (settings.broker.edges_host, settings.broker.port))


def _when_there(action: Callable[[], _Result], stop: threading.Event) -> _Result | None:
    """Do it once the database answers, which may still be starting; None where we are told to stop."""
    failures = 0
    while not stop.is_set():
        try:
            return action()
        except StoreUnavailable as error:
            if failures == 0:
                _log.warning("waiting for the database: %s", error)
            stop.wait(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])
            failures += 1
    return None


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


@contextlib.contextmanager
def _pid_file(settings: HubSettings, name: str) -> Iterator[None]:
    file = settings.run_dir / f"{name}.pid"
    write_pid(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


@contextlib.contextmanager
def _asking(settings: HubSettings) -> Iterator[Connection]:
    """A connection for an order from the command line; what is refused becomes a line for the person."""
    try:
        connection = connect(settings.database, application="sanfang")
        try:
            yield connection
        finally:
            connection.close()
    except ConfigurationError:
        raise
    except HubError as error:
        raise ConfigurationError([str(error)]) from error


def _sites(connection: Connection, site: str | None) -> list[str]:
    known = list_sites(connection)
    if site is not None and site not in known:
        raise NotFound(f"site: there is no site {site!r}; the hub has {', '.join(known) or 'none'}")
    return known if site is None else [site]
