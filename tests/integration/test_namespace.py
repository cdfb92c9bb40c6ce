"""The hub's HTTPS as another machine sees it: a network namespace, joined by a wire."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import leave_out
from tests.ports import reserve_port
from tests.running_api import ROOT
from tests.secured import run_command, write_secured
from tests.services.network import HUB, Namespace, NamespaceRefused, find_ip, open_namespace
from tests.waiting import wait_until

pytestmark = pytest.mark.services
LOOK = textwrap.dedent(
    """
    import hashlib, http.cookiejar, json, re, socket, ssl, sys, urllib.error, urllib.request
    host, port, database, ca = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    url, told = f"https://{host}:{port}", {}

    def reach(port):
        try:
            socket.create_connection((host, port), 3).close()
        except OSError:
            return False
        return True

    def get(path, context, url=url):
        try:
            with urllib.request.urlopen(url + path, timeout=10, context=context) as answer:
                return answer.status, answer.headers, answer.read()
        except (ssl.SSLError, urllib.error.URLError, OSError) as error:
            return type(getattr(error, "reason", error)).__name__, {}, b""

    trusting = ssl.create_default_context(cafile=ca)
    told["database"] = reach(database)
    told["stranger"] = get("/api/v1/setup", ssl.create_default_context())[0]
    told["setup"] = json.loads(get("/api/v1/setup", trusting)[2])
    told["plain"] = get("/api/v1/setup", None, f"http://{host}:{port}")[0]
    anyone = ssl._create_unverified_context()
    page = get("/ca", anyone)
    told["policy"] = page[1]["Content-Security-Policy"]
    shown = re.search("(?:[0-9A-F]{2}:){31}[0-9A-F]{2}", page[2].decode())[0]
    told["fingerprint"] = shown.replace(":", "").lower()
    link = re.search('href="([^"]+)"', page[2].decode())[1]
    root = get(link, anyone)
    told["type"] = root[1]["Content-Type"]
    told["root"] = hashlib.sha256(root[2]).hexdigest()
    told["url"] = json.loads(get("/api/v1/ca/qr", anyone)[2])["url"]
    phone = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(root[2]))
    told["believed"] = get("/api/v1/setup", phone)[0]
    old = ssl.create_default_context(cafile=ca)
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    told["old"] = get("/api/v1/setup", old)[0]
    print(json.dumps(told))
    """
)


@pytest.fixture
def outside() -> Iterator[Namespace]:
    if find_ip() is None:
        leave_out("iproute2")
    try:
        with open_namespace() as opened:
            yield opened
    except NamespaceRefused as reason:
        # What a container may not do is no fault of ours, nor of `make services`.
        pytest.skip(f"left out: no network namespace here ({reason})")


def listens(port: int) -> bool:
    try:
        socket.create_connection((HUB, port), 0.3).close()
    except OSError:
        return False
    return True


def test_another_machine_comes_in_by_https_alone_and_a_phone_gets_the_root(
    outside: Namespace, database: str, tmp_path: Path
) -> None:
    port = reserve_port()
    http = {"host": HUB, "port": port, "tls": {"certificate": "ca/issued/https.pem"}}
    file = write_secured(tmp_path, database, http={"host": HUB, "port": port})
    hub = [sys.executable, "-m", "sanfang", "hub", "--config", str(file)]
    refused = subprocess.run(hub, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode != 0 and "in the clear" in refused.stderr + refused.stdout
    file = write_secured(tmp_path, database, http=http)
    run_command("ca", "init", "--config", str(file))
    run_command("ca", "issue", "--config", str(file))
    with (tmp_path / "hub.log").open("w") as log:
        process = subprocess.Popen(hub, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_until(lambda: listens(port) or process.poll() is not None, 60, "the hub serves")
        database_port = str(int(database.rpartition("127.0.0.1:")[2].partition("/")[0]))
        looked = outside.run(
            sys.executable, "-c", LOOK, HUB, str(port), database_port, str(tmp_path / "ca/ca.crt")
        )
        assert looked.returncode == 0, looked.stderr + (tmp_path / "hub.log").read_text()
        told = json.loads(looked.stdout)
    finally:
        process.terminate()
        process.wait(30)
    assert told["setup"] == {"needed": True}
    assert (told["database"], told["stranger"]) == (False, "SSLCertVerificationError")
    assert told["plain"] not in (200, 301, 302) and told["old"] != 200
    assert "default-src 'self'" in told["policy"]
    # What the phone takes is what the page's fingerprint says, and with it the hub is believed.
    assert told["root"] == told["fingerprint"] and told["type"] == "application/x-x509-ca-cert"
    assert told["url"] == f"https://{HUB}:{port}/api/v1/ca/root.crt"
    assert told["believed"] == 200
