"""The embedded MQTT broker (iotcore, which is rumqttd): MQTT 3.1.1 on the loopback, memory only.

It keeps nothing on disk, on purpose of ours: receipts, not the broker, are what nothing is forgotten by.
`python -m sanfang.embedded.broker CONFIG` is the broker process itself.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from sanfang.ports import LOOPBACK, accepts
from sanfang.supervisor import Service

MAX_PAYLOAD_BYTES = 1_048_576

# rumqttd keeps a log of messages per topic filter, as large as max_segment_size x max_segment_count;
# its own default would let one filter take a gigabyte of memory.
_TOML = """\
id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 1000
max_segment_size = 8388608
max_segment_count = 8

[v4.1]
name = "loopback"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v4.1.connections]
connection_timeout_ms = 10000
max_payload_size = {max_payload_bytes}
max_inflight_count = 1000
dynamic_filters = true
"""


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """Where the broker listens and where its configuration is written."""

    port: int
    directory: Path
    host: str = LOOPBACK

    def prepare(self) -> Path:
        """Write the configuration; returns its path."""
        self.directory.mkdir(parents=True, exist_ok=True)
        file = self.directory / "broker.toml"
        text = _TOML.format(host=self.host, port=self.port, max_payload_bytes=MAX_PAYLOAD_BYTES)
        file.write_text(text, encoding="utf-8")
        return file

    def service(self, name: str = "broker") -> Service:
        """The one process to supervise: its pid is the broker's pid."""
        file = self.prepare()
        command = [sys.executable, "-m", "sanfang.embedded.broker", str(file)]
        return Service(name, command, ready=lambda: accepts(self.port), stop_deadline_s=3.0)


def serve(config: Path) -> None:
    """Run the broker in this process until it is ended by a signal."""
    from iotcore.iotcore import IotCoreBroker

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # rumqttd wraps its routing in error spans: below CRITICAL every packet would be one log line.
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    IotCoreBroker(config_path=str(config)).run_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
