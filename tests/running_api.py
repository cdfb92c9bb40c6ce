"""An API process's inside, on a real socket in a thread of the test's own, and a browser that asks it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from hub.accounts.desk import make_setup_token
from hub.accounts.invitation import hash_token
from hub.accounts.password import hash_password
from hub.api.server import serve
from hub.clock import utc_now
from hub.domain.permission import Grant
from hub.settings import BrokerSettings, HttpSettings, HubSettings, OidcSettings
from hub.sites.configuration import SiteConfiguration
from hub.sites.desk import Hand, apply_configuration
from hub.store.account import add_account, add_grant
from hub.store.database import connect
from hub.store.wall import dsn_as
from sanfang.ports import LOOPBACK, accepts
from tests.ports import reserve_port
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "a long enough sentence"
UNSAFE = {"X-Sanfang": "1"}

SITE: dict[str, Any] = {
    "site": "demo",
    "name": {"zh": "学校", "en": "school"},
    "zones": [
        {"zone": "hall", "name": {"zh": "教学楼"}, "kind": "building"},
        {
            "zone": "lab",
            "parent": "hall",
            "name": {"zh": "<img src=x onerror=alert(1)>"},
            "class": "key",
            "kind": "room",
        },
    ],
    "edges": [
        {"edge": "e1", "name": {"zh": "网关"}, "connections": [{"connection": "mqtt", "driver": "mqtt"}]}
    ],
    "devices": [
        {
            "device": "button",
            "name": {"zh": "按钮", "en": "button"},
            "family": "panic_button",
            "zone": "lab",
            "edge": "e1",
            "connection": "mqtt",
            "profile": "any",
        },
        {
            "device": "door",
            "name": {"zh": "门"},
            "family": "access_control",
            "zone": "hall",
            "edge": "e1",
            "connection": "mqtt",
            "profile": "any",
            "writes": ["door.release"],
            "addresses": {"1": {"zone": "lab", "name": {"zh": "前门"}}},
        },
    ],
    "posts": [
        {"post": "security-room", "name": {"zh": "值班室"}},
        {"post": "duty-leader", "name": {"zh": "值班领导"}},
    ],
    "persons": [{"person": "zhang", "name": "张伟"}],
    "shifts": [
        {"post": "security-room", "person": "zhang", "begins": "00:00", "ends": "12:00"},
        {"post": "security-room", "person": "zhang", "begins": "12:00", "ends": "00:00"},
    ],
    "escalation": {"posts": ["duty-leader"]},
}


def prepare_site(database: str, document: dict[str, Any] = SITE) -> None:
    """Put a site into a migrated database."""
    connection = connect(database, application="test")
    site = SiteConfiguration.model_validate(document)
    apply_configuration(connection, site, {"any": {"profile": "any"}}, hand=Hand("system:hub"), at=utc_now())
    connection.close()


@dataclass
class RunningApi:
    """A serving API."""

    settings: HubSettings
    token: str | None
    clients: list[httpx2.Client] = field(default_factory=list)
    _stop: asyncio.Event = field(init=False)
    _loop: asyncio.AbstractEventLoop = field(init=False)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.settings.http.port}"

    def browser(self) -> httpx2.Client:
        """A client with cookies of its own, not logged in."""
        client = httpx2.Client(base_url=self.url, headers=UNSAFE, timeout=10.0, trust_env=False)
        self.clients.append(client)
        return client

    def colleague(self, name: str, *grants: Grant) -> httpx2.Client:
        """A client that is logged in as a new account with these grants."""
        with connect(self.settings.database, application="test") as connection:
            row = {"account": f"a-{name}", "name": name, "display_name": name, "created_at": utc_now()}
            add_account(connection, {**row, "password_hash": hash_password(PASSWORD)})
            for grant in grants:
                add_grant(connection, f"a-{name}", grant, actor="test", at=utc_now())
        client = self.browser()
        self.enter(client, name)
        return client

    def enter(self, client: httpx2.Client, name: str = "admin", password: str = PASSWORD) -> dict[str, Any]:
        """Log a client in; what the API answered."""
        form = {"name": name, "password": password, "station": "room"}
        answer = client.post("/api/v1/session", json=form)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def prove(self, client: httpx2.Client) -> httpx2.Client:
        """Have a session count as one that showed a second factor; test_second_factor.py shows a real one."""
        shown = hash_token(client.cookies["sanfang_session"])
        with connect(self.settings.database, application="test") as connection:
            connection.execute("UPDATE session SET proven_at = now() WHERE session_hash = %s", (shown,))
        return client

    def administrator(self) -> httpx2.Client:
        """A client that is logged in."""
        client = self.browser()
        form = {"name": "admin", "display_name": "管理员", "password": PASSWORD}
        if self.token is not None:
            answer = client.post("/api/v1/setup", json={"token": self.token, **form})
            self.token = None
        else:
            answer = client.post(
                "/api/v1/session", json={"name": "admin", "password": PASSWORD, "station": "room"}
            )
        assert answer.status_code == 200, answer.text
        return client


@contextmanager
def run_api_here(
    database: str,
    folder: Path,
    broker_port: int | None = None,
    proxies: Sequence[str] = (),
    oidc: OidcSettings | None = None,
) -> Iterator[RunningApi]:
    """Serve from this process until the end of the block."""
    connection = connect(database, application="test")
    token = make_setup_token(connection, utc_now())
    connection.close()
    settings = HubSettings(
        database=database,
        broker=BrokerSettings(host=LOOPBACK, port=broker_port or reserve_port()),
        http=HttpSettings.model_validate({"port": reserve_port(), "proxies": tuple(proxies)}),
        oidc=oidc,
        sites=(folder / "site.yaml",),
        profiles=folder,
        rules=ROOT / "config" / "rules",
        plans=ROOT / "config" / "plans",
        run_dir=folder,
        data_dir=folder,
    )
    running = RunningApi(settings, token)
    codes: list[int] = []

    async def main() -> int:
        running._loop, running._stop = asyncio.get_running_loop(), asyncio.Event()
        # As the process runs: by the role that row security binds; `settings.database` is the owner's.
        walled = settings.model_copy(update={"database": dsn_as(settings.database, "api", {})})
        return await serve(walled, running._stop)

    thread = threading.Thread(target=lambda: codes.append(asyncio.run(main())))
    thread.start()
    try:
        wait_until(lambda: accepts(settings.http.port) or not thread.is_alive(), why="the API serves")
        wait_until(
            lambda: (
                "database"
                not in httpx2.get(f"{running.url}/readyz", trust_env=False, timeout=30.0).json()["missing"]
            ),
            why="the feed reads",
        )
        yield running
    finally:
        running._loop.call_soon_threadsafe(running._stop.set)
        thread.join(15)
        for client in running.clients:
            client.close()
        assert not thread.is_alive()
    assert codes == [0]


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    name: str
    data: Any
    id: str | None


class Screen:
    """A browser's EventSource: reads a live stream in a thread."""

    def __init__(self, client: httpx2.Client, site: str = "demo", last: str | None = None) -> None:
        self.events: list[Event] = []
        self.status: int | None = None
        self.closed = threading.Event()
        self._client = client
        self._path = f"/api/v1/sites/{site}/live"
        self._headers = {} if last is None else {"Last-Event-ID": last}
        self._response: httpx2.Response | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            with self._client.stream("GET", self._path, headers=self._headers, timeout=20.0) as response:
                self.status, self._response = response.status_code, response
                fields: dict[str, str] = {}
                for line in response.iter_lines():
                    if line:
                        name, _, value = line.partition(": ")
                        fields[name] = value
                    elif "event" in fields:
                        self.events.append(Event(fields["event"], json.loads(fields["data"]), fields.get("id")))
                        fields = {}
        except (httpx2.HTTPError, httpx2.StreamError, OSError):
            pass
        finally:
            self.closed.set()

    def named(self, name: str) -> list[Event]:
        """The events of a name so far."""
        return [event for event in list(self.events) if event.name == name]

    def wait_for(self, name: str, count: int = 1, deadline_s: float = 10.0) -> Event:
        """The event `count` of a name, once it is there."""
        wait_until(lambda: len(self.named(name)) >= count, deadline_s, why=f"{count} × {name}")
        return self.named(name)[count - 1]

    def close(self) -> None:
        """Leave the page."""
        if self._response is not None:
            self._response.close()
