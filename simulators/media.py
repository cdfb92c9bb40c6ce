"""What devices speak over: the broker, the Modbus buses, the camera servers of a campus."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulators.bus import ModbusBus
from simulators.connection import BrokerAddress
from simulators.stream import StreamServer


@dataclass(frozen=True)
class Media:
    """All media of a campus; buses and stream servers by the names that campus.yaml gives them."""

    broker: BrokerAddress
    buses: dict[str, ModbusBus] = field(default_factory=dict)
    streams: dict[str, StreamServer] = field(default_factory=dict)

    def servers(self) -> list[ModbusBus | StreamServer]:
        """All that listen on a port."""
        return [*self.buses.values(), *self.streams.values()]
