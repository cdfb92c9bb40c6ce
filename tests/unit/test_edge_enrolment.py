"""Enrolment: a proof each way, one root secret on both sides, nothing secret on the wire."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from adapters.contract.enrolment import Ask, Grant
from edge.app import enrol
from edge.configuration import load_identity
from edge.error import ConfigurationError


class HubDesk(ThreadingHTTPServer):
    """The hub's side, as `hub/sites/enrolment.py` says it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.secret = secrets.token_bytes(32)
        self.root_secret = b""
        self.bodies: list[bytes] = []
        self.used = False
        self.lies = False
        self.changes: dict[str, Any] = {}
        """What somebody on the way changes in the answer."""

    def token(self, **changes: Any) -> str:
        document = {
            "v": 1,
            "url": f"http://127.0.0.1:{self.server_port}",
            "site": "demo-school",
            "edge": "demo-edge",
            "invite": "i-1",
            "secret": base64.b64encode(self.secret).decode(),
            "ca": "",
            **changes,
        }
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


class Handler(BaseHTTPRequestHandler):
    server: HubDesk

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        ask = msgspec.json.decode(body, type=Ask)
        if self.path != "/api/v1/enrolment" or ask.proof != ask.prove(self.server.secret):
            self.answer(403, {"code": "not_invited", "message": "the proof does not fit"})
            return
        if self.server.used:
            self.answer(409, {"code": "refused", "message": "the invitation was used already"})
            return
        self.server.used = True
        nonce = base64.b64encode(secrets.token_bytes(32)).decode()
        grant = Grant(nonce, 3, "127.0.0.1", 1883, "", "")
        self.server.root_secret = grant.derive_root(self.server.secret, ask)
        secret = b"a liar's" if self.server.lies else self.server.secret
        answer = {**msgspec.structs.asdict(grant), "proof": grant.prove(secret, ask), **self.server.changes}
        self.answer(200, answer)

    def answer(self, status: int, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def desk() -> Iterator[HubDesk]:
    desk = HubDesk()
    thread = threading.Thread(target=desk.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield desk
    desk.shutdown()
    thread.join()
    desk.server_close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "edge.yaml"
    file.write_text(yaml.safe_dump({"data_dir": "data", "run_dir": "run"}))
    return file


def test_both_sides_come_to_the_same_secret_and_nobody_else_can_read_it(desk: HubDesk, config: Path) -> None:
    enrol(desk.token(), config)
    identity = load_identity(config.parent / "data")
    assert identity.root_secret.get_secret_value() == desk.root_secret
    assert (str(identity.sender), identity.key_number, identity.broker.port) == (
        "demo-school/demo-edge",
        3,
        1883,
    )
    file = config.parent / "data" / "identity.json"
    assert file.stat().st_mode & 0o777 == 0o600
    crossed = b"".join(desk.bodies)
    for secret in (desk.secret, desk.root_secret):
        assert base64.b64encode(secret) not in crossed and secret.hex().encode() not in crossed


def test_a_used_invitation_is_refused_in_the_hubs_words(desk: HubDesk, config: Path) -> None:
    enrol(desk.token(), config)
    before = (config.parent / "data" / "identity.json").read_bytes()
    with pytest.raises(ConfigurationError, match="used already"):
        enrol(desk.token(), config)
    assert (config.parent / "data" / "identity.json").read_bytes() == before


def test_a_liar_in_the_hubs_place_is_found_out(desk: HubDesk, config: Path) -> None:
    desk.lies = True
    with pytest.raises(ConfigurationError, match="not the hub"):
        enrol(desk.token(), config)
    assert not (config.parent / "data" / "identity.json").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"key_number": 4},
        {"broker_host": "10.0.0.1"},
        {"broker_port": 1884},
        {"certificate": "another"},
        {"ca": "another"},
        {"hub_nonce": base64.b64encode(b"n" * 32).decode()},
    ],
)
def test_every_word_of_the_answer_is_proved(desk: HubDesk, config: Path, changes: dict[str, Any]) -> None:
    desk.changes = changes
    with pytest.raises(ConfigurationError, match="not the hub"):
        enrol(desk.token(), config)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "http://hub.example:80"}, "this machine only"),
        ({"url": "https://127.0.0.1:80"}, "lacks the authority's fingerprint"),
        ({"url": "https://127.0.0.1:1", "ca": "0" * 64}, "cannot be reached"),
        ({"ca": "0" * 10}, "token: ca"),
        ({"url": "http://127.0.0.1:1"}, "cannot be reached"),
        ({"v": 2}, "token: v"),
        ({"secret": "%%"}, "no invitation token"),
        ({"edge": "No Name"}, "token: edge"),
    ],
)
def test_tokens_that_lead_nowhere(desk: HubDesk, config: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        enrol(desk.token(**changes), config)


@pytest.mark.parametrize("token", ["", "x", "!!!", "e30", "bnVsbA"])
def test_what_is_no_token(config: Path, token: str) -> None:
    with pytest.raises(ConfigurationError, match="no invitation token"):
        enrol(token, config)


def test_an_edge_that_is_not_enrolled_says_how(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="sanfang edge enrol"):
        load_identity(tmp_path)
