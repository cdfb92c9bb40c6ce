"""The whole street over TLS: our own commands make authority, broker and hub; an edge enrols over https, sends
over mTLS through a real Mosquitto, and changes its certificate under load: nothing lost, nothing out of order.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from adapters.base import Observation
from adapters.contract.message import Event
from edge import renewal
from edge.app import Edge, enrol
from edge.clock import SystemClock
from edge.configuration import load_configuration, load_identity
from edge.credential import read_validity
from edge.error import ConfigurationError, EnrolmentError
from hub.app import setup_token
from hub.clock import utc_now
from hub.sites.authority import Authority, init_authority
from hub.store.database import connect, fetch_all
from sanfang.ports import LOOPBACK
from tests.conftest import RunningBroker, leave_out
from tests.integration.test_hub_app import running_hub
from tests.secured import E1, SecuredSite, forge_credential, run_command, write_secured
from tests.services.mosquitto import SecuredMosquitto, find_mosquitto
from tests.waiting import wait_until

pytestmark = pytest.mark.services


class Street:
    """A hub with TLS everywhere, its broker, and an edge's folder."""

    def __init__(self, site: SecuredSite, folder: Path) -> None:
        self.site = site
        self.config = folder / "edge.yaml"
        self.config.write_text(yaml.safe_dump({"data_dir": "edge", "run_dir": "edge-run"}))
        self.data = folder / "edge"

    def get(self, path: str) -> Any:
        context = ssl.create_default_context(cafile=str(self.site.file.parent / "ca" / "ca.crt"))
        with suppress(httpx2.HTTPError):
            url = f"https://{LOOPBACK}:{self.site.settings.http.port}{path}"
            return httpx2.get(url, verify=context, trust_env=False).json()
        return {}

    def token(self) -> str:
        return run_command("edge", "invite", "e1", "-c", str(self.site.file)).strip()

    def rows(self, query: Any) -> list[Any]:
        with closing(connect(self.site.settings.database, application="test")) as connection:
            return fetch_all(connection, query)

    def kinds(self) -> list[str]:
        return [
            row["kind"] for row in self.rows("SELECT kind FROM journal WHERE subject = 'edge:e1' ORDER BY seq")
        ]


@pytest.fixture
def street(database: str, tmp_path: Path) -> Iterator[Street]:
    if find_mosquitto() is None:
        leave_out("Mosquitto")
    site = SecuredSite(write_secured(tmp_path, database)).prepare()
    server = SecuredMosquitto(site.settings.broker.port, site.broker_folder)
    with ExitStack() as stack:
        running = RunningBroker(server.service(), server.port, server.directory)
        stack.callback(running.stop)
        stack.enter_context(running_hub(site.file))
        made = Street(site, tmp_path)
        wait_until(lambda: made.get("/readyz").get("ready") is True, 60, "the hub is ready, over https")
        yield made


def press(number: int, kind: str) -> Observation:
    event = Event("button", f"n{number}", kind, None, None, SystemClock().now_us(), {"number": str(number)})
    return Observation((event,), ())


def test_an_edge_enrols_speaks_and_renews_over_tls(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "SETTLE_S", 1.0)
    enrol(street.token(), street.config)
    identity = load_identity(street.data)
    assert identity.hub_url.startswith("https://") and identity.broker.tls is not None
    assert identity.broker.tls.credential.stat().st_mode & 0o777 == 0o600
    # As if it had been enrolled long ago: ten days are left, so that it renews at once, and people are told.
    old = identity.broker.tls.credential
    forge_credential(old, street.site.file.parent / "ca", E1, utc_now() - timedelta(days=80), 90)
    counts = asyncio.run(_send_while_renewing(street))
    assert counts >= 100
    new = load_identity(street.data).broker.tls
    assert new is not None and new.credential != old and not old.exists(), "the old one is taken away"
    assert not read_validity(new.credential).is_due(SystemClock().now_us())
    assert "edge.certificate_renewed" in street.kinds()
    stored = street.rows(
        "SELECT lane, sequence, attributes ->> 'number' AS number FROM events WHERE device = 'button'"
        " ORDER BY lane, sequence"
    )
    for kinds in (1, 2):
        numbers = [int(row["number"]) for row in stored if row["lane"] == kinds]
        assert numbers == sorted(set(numbers)), "each once and in order"
        assert len(numbers) == counts // 2
    states = street.rows("SELECT active FROM events WHERE kind = 'certificate.expiring' ORDER BY sequence")
    assert [row["active"] for row in states] == [True, False]


async def _send_while_renewing(street: Street) -> int:
    """Press on from before the change of certificates until after it; how many presses the hub holds."""
    edge = Edge(load_configuration(street.config), load_identity(street.data), {}, SystemClock())
    await edge.start()
    before = edge.identity.broker.tls
    count, after = 0, 0
    try:
        async with asyncio.timeout(60):
            while after < 100:
                for kind in ("panic.pressed", "access.granted"):
                    await edge.reception.take(press(count // 2, kind))
                    count += 1
                after += edge.identity.broker.tls != before
                await asyncio.sleep(0.01)
            while True:
                found = await asyncio.to_thread(
                    street.rows, "SELECT count(*) AS n FROM events WHERE device = 'button'"
                )
                told = await asyncio.to_thread(
                    street.rows, "SELECT active FROM events WHERE kind = 'certificate.expiring'"
                )
                if found[0]["n"] >= count and len(told) == 2:
                    return count
                await asyncio.sleep(0.2)
    finally:
        await edge.stop()


def test_a_revoked_edge_gets_no_new_certificate_and_is_not_believed(street: Street) -> None:
    enrol(street.token(), street.config)
    identity = load_identity(street.data)
    run_command("ca", "revoke", "demo/e1", "-c", str(street.site.file))
    assert "edge.revoked" in street.kinds()
    with pytest.raises(EnrolmentError, match="the hub refuses"):
        renewal.renew_credential(identity, street.data)
    enrol(street.token(), street.config)
    anew = load_identity(street.data)
    assert renewal.renew_credential(anew, street.data).ca


def test_who_stands_between_hears_nothing_of_the_invitation(street: Street, tmp_path: Path) -> None:
    """Another authority of the same name, a certificate for the right address: only the fingerprint tells."""
    init_authority(tmp_path / "false", "Sanfang CA", None, utc_now())
    false = Authority(tmp_path / "false")
    file = false.issue_server("https", [LOOPBACK], 90, utc_now())
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            data = false.certificate.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            heard.append("said something")

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        token = street.token()
        document = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        document["url"] = f"https://{LOOPBACK}:{server.server_port}"
        bent = base64.urlsafe_b64encode(json.dumps(document).encode()).decode()
        with pytest.raises(ConfigurationError, match="another authority"):
            enrol(bent, street.config)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert heard == ["/api/v1/ca"]


def test_the_hub_speaks_tls_alone_and_shows_a_renewed_certificate_without_a_restart(street: Street) -> None:
    port, ca = street.site.settings.http.port, str(street.site.file.parent / "ca" / "ca.crt")
    form = {"token": setup_token(street.site.file), "name": "admin", "display_name": "管理员"}
    answer = httpx2.post(
        f"https://{LOOPBACK}:{port}/api/v1/setup",
        json={**form, "password": "a long enough sentence"},
        headers={"X-Sanfang": "1"},
        verify=ssl.create_default_context(cafile=ca),
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    assert {"Secure", "HttpOnly", "SameSite=strict"} <= set(answer.headers["set-cookie"].split("; "))
    with pytest.raises(httpx2.HTTPError):
        httpx2.get(f"http://{LOOPBACK}:{port}/healthz", trust_env=False)
    with pytest.raises(httpx2.ConnectError):  # no authority but ours vouches for it
        httpx2.get(f"https://{LOOPBACK}:{port}/healthz", trust_env=False)
    days = street.get("/readyz")["certificate_days"]
    assert {name: round(left) for name, left in days.items()} == {
        "broker": 397,
        "https": 397,
        "hub": 397,
        "ca": 3653,
    }
    before = street.get("/readyz")
    assert street.site.authority.newest("https") is not None
    run_command("ca", "renew", "--force", "-c", str(street.site.file))
    newest = street.site.authority.newest("https")
    assert newest is not None

    def shown() -> str:
        from cryptography import x509

        pem = ssl.get_server_certificate((LOOPBACK, street.site.settings.http.port))
        return f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:x}"

    wait_until(lambda: shown() == newest.serial, 20, "the new one is shown")
    assert before["ready"] and street.get("/readyz")["ready"], "and believed"
