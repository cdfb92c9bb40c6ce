"""A site with TLS: its authority, the broker's folder and a real Mosquitto, made by our own commands."""

from __future__ import annotations

import os
import pwd
import ssl
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from typer.testing import CliRunner

from adapters.contract.topic import Sender
from edge.credential import make_request
from hub.clock import utc_now
from hub.settings import HubSettings, load_settings
from hub.sites.authority import Authority
from hub.sites.broker import credential_name
from hub.sites.certificate import certify, read_request, write_certificate
from sanfang.cli import app
from sanfang.ports import LOOPBACK
from tests.integration.test_hub_app import write_config
from tests.ports import reserve_port
from tests.running_api import SITE
from tests.waiting import wait_until

E1, E2 = Sender("demo", "e1"), Sender("demo", "e2")
USER = pwd.getpwuid(os.geteuid()).pw_name


def run_command(*words: str) -> str:
    """What a command of ours prints; raises what it raises."""
    result = CliRunner().invoke(app, list(words), catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def write_secured(folder: Path, database: str, **changes: Any) -> Path:
    """A hub.yaml with TLS everywhere and two edges; returns its path. Nothing is issued yet."""
    document: dict[str, Any] = {
        "broker": {
            "host": LOOPBACK,
            "port": reserve_port(),
            "tls": {"ca": "ca/ca.crt", "certificate": "ca/issued/hub.pem"},
        },
        "http": {"port": reserve_port(), "tls": {"certificate": "ca/issued/https.pem"}},
        "ca": {"directory": "ca"},
        **changes,
    }
    file = write_config(folder, database, 1883, **document)
    edges = [*SITE["edges"], {**SITE["edges"][0], "edge": "e2"}]
    site = yaml.safe_dump({**SITE, "edges": edges}, allow_unicode=True)
    (folder / "site.yaml").write_text(site, encoding="utf-8")
    return file


@dataclass
class SecuredSite:
    """A site whose authority is made and whose broker's folder is written."""

    file: Path

    @property
    def settings(self) -> HubSettings:
        return load_settings(self.file)

    @property
    def authority(self) -> Authority:
        return Authority(self.file.parent / "ca")

    @property
    def broker_folder(self) -> Path:
        return self.file.parent / "broker"

    def prepare(self) -> SecuredSite:
        run_command("ca", "init", "-c", str(self.file))
        run_command("ca", "issue", "-c", str(self.file))
        return self.write_broker()

    def write_broker(self) -> SecuredSite:
        words = ("broker", "configuration", "-c", str(self.file), "--to", str(self.broker_folder))
        run_command(*words, "--owner", USER)
        return self

    def edge_credential(self, sender: Sender) -> Path:
        """A key and certificate as enrolment gives them."""
        key, request = make_request()
        certificate = self.authority.certify_edge(sender, request.decode(), 90, utc_now())
        file = self.file.parent / f"{sender.edge}-{os.urandom(4).hex()}.pem"
        file.write_bytes(key + certificate.encode())
        return file


def forge_credential(file: Path, pair_folder: Path, sender: Sender, issued_at: datetime, days: int) -> Path:
    """A certificate with dates of one's choice, signed by the authority in a folder."""
    pair = Authority(pair_folder)._open_key()
    key, request = make_request()
    made = certify(pair, read_request(request.decode(), "request"), credential_name(sender), days, issued_at)
    file.write_bytes(key + write_certificate(made))
    return file


def self_signed(file: Path, name: str) -> Path:
    """A certificate that nobody but itself vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = utc_now()
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    dated = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = dated.serial_number(7).sign(key, hashes.SHA256())
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(text + made.public_bytes(serialization.Encoding.PEM))
    return file


@dataclass
class Speaker:
    """Somebody at the broker: what it hears, and what became of what it said."""

    port: int
    ca: Path
    credential: Path | None
    version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    granted: list[Any] = field(default_factory=list)
    answers: dict[int, Any] = field(default_factory=dict)
    taken: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Speaker:
        context = ssl.create_default_context(cafile=str(self.ca))
        if self.credential is not None:
            context.load_cert_chain(self.credential)
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=self.version, reconnect_on_failure=False)
        self.client.tls_set_context(context)
        self.client.on_connect = self._connected
        self.client.on_disconnect = lambda *_: self.gone.set()
        self.client.on_subscribe = lambda _c, _d, _m, codes, _p: self.granted.append(codes[0])
        self.client.on_publish = lambda _c, _d, mid, code, _p: self.answers.update({mid: code})
        self.client.on_message = self._hear
        try:
            self.client.connect(LOOPBACK, self.port, keepalive=10)
        except OSError:
            self.gone.set()
        else:
            self.client.loop_start()
            wait_until(lambda: self.taken.is_set() or self.gone.is_set(), 10, "the broker answers")
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    @property
    def is_in(self) -> bool:
        return self.taken.is_set() and not self.gone.is_set()

    def subscribe(self, topic: str) -> Any:
        before = len(self.granted)
        self.client.subscribe(topic, qos=1)
        wait_until(lambda: len(self.granted) > before, 10, f"an answer to the wish for {topic}")
        return self.granted[-1]

    def publish(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> Any:
        """The broker's answer; None where it ended the connection instead."""
        mid = self.client.publish(topic, payload, qos=1, retain=retain).mid
        wait_until(lambda: mid in self.answers or self.gone.is_set(), 10, f"an answer to {topic}")
        return self.answers.get(mid)

    def _connected(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        (self.gone if code.is_failure else self.taken).set()

    def _hear(self, _client: Any, _data: Any, message: MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))
