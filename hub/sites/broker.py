"""What a Mosquitto broker is told: who may speak where, and that nobody else may. Pure: names in, text out.

Each edge is known by the common name of its certificate and may write exactly its own topics up and read its
own down; the hub reads all up and writes all down. Explicit `user` blocks, because Mosquitto refuses names
with a slash in patterns. A subscription that is not allowed is granted by Mosquitto 2.0 and delivers nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.contract.codec import MAX_FRAME_BYTES
from adapters.contract.topic import ROOT, Sender, down_filter, heartbeat_topic, lane_topic
from adapters.contract.vocabulary import Lane

HUB: Final = "hub"
"""As what the hub is known to the broker. No edge can be called so: an edge's name has a slash."""
MAX_NAME: Final = 64
"""So long may a common name be (RFC 5280)."""
PACKET_BYTES: Final = MAX_FRAME_BYTES + 1_024
"""A frame with its topic and MQTT's own."""
CONNECTIONS_PER_EDGE: Final = 4
"""One, a second while it moves to another certificate or broker, and what is half-open still."""
CONNECTIONS_BESIDES: Final = 32


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the broker listens, and the folder with its certificates and lists."""

    host: str
    """Empty: on every address."""
    port: int
    folder: Path
    user: str | None = None
    """As whom it runs, where it is started as root."""


def credential_name(sender: Sender) -> str:
    """The common name of an edge's certificate, by which the broker knows it: `site/edge`, or where that is
    longer than a certificate allows, its beginning and a digest. No two edges share one.
    """
    name = str(sender)
    if len(name) <= MAX_NAME:
        return name
    return f"{name[:31]}~{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def write_acl(edges: Iterable[Sender]) -> str:
    """Mosquitto's ACL file: default deny; nobody may read $SYS."""
    blocks = [
        [
            "# Made by `sanfang broker`; what is not allowed here is denied.",
            f"user {HUB}",
            f"topic read {ROOT}/+/+/up/+",
            f"topic read {ROOT}/+/+/down/receipt",
            f"topic write {ROOT}/+/+/down/+",
        ]
    ]
    for edge in sorted(set(edges), key=str):
        up = [*(lane_topic(edge, lane) for lane in Lane), heartbeat_topic(edge)]
        blocks.append(
            [
                f"user {credential_name(edge)}",
                *(f"topic write {topic}" for topic in up),
                f"topic read {down_filter(edge)}",
            ]
        )
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def write_configuration(listening: Listening, edges: int) -> str:
    """mosquitto.conf for Mosquitto 2.0 (Debian 12: 2.0.11, Debian 13: 2.0.21): TLS with a certificate from
    everybody, the list of revoked ones, nothing kept and nothing retained. `edges`: how many there are.
    """
    folder = listening.folder
    return "\n".join(
        [
            "# Made by `sanfang broker configuration`. Certificates and revocations are read anew on SIGHUP.",
            *([f"user {listening.user}"] if listening.user else []),
            "per_listener_settings false",
            "allow_anonymous false",
            f"acl_file {folder / 'acl'}",
            "# Receipts and spools are what nothing is forgotten by; the broker keeps nothing.",
            "persistence false",
            "retain_available false",
            "sys_interval 0",
            f"max_packet_size {PACKET_BYTES}",
            f"message_size_limit {MAX_FRAME_BYTES}",
            "max_inflight_messages 1000",
            "max_queued_messages 100000",
            "max_keepalive 60",
            "persistent_client_expiration 1h",
            "set_tcp_nodelay true",
            "log_dest stderr",
            "log_type error",
            "log_type warning",
            "log_type notice",
            "",
            f"listener {listening.port} {listening.host}".rstrip(),
            f"max_connections {CONNECTIONS_BESIDES + CONNECTIONS_PER_EDGE * edges}",
            "tls_version tlsv1.2",
            f"cafile {folder / 'ca.crt'}",
            f"certfile {folder / 'broker.pem'}",
            f"keyfile {folder / 'broker.pem'}",
            f"crlfile {folder / 'crl.pem'}",
            "require_certificate true",
            "use_identity_as_username true",
            "",
        ]
    )
