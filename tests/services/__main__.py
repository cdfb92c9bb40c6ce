"""`make services`: set up the real services; what this machine cannot have is named, and is no error."""

from __future__ import annotations

import time

from tests.services import chromium, mosquitto, network, timescale
from tests.services.apt import ServiceUnavailable


def main() -> None:
    services = (
        ("TimescaleDB", timescale.set_up),
        ("Mosquitto", mosquitto.set_up),
        ("Chromium", chromium.set_up),
        ("iproute2", network.set_up),
    )
    for name, set_up in services:
        begun = time.monotonic()
        try:
            set_up()
        except ServiceUnavailable as reason:
            print(f"{name:12} left out: {reason}", flush=True)
        else:
            print(f"{name:12} ready ({time.monotonic() - begun:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
