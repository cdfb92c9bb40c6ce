"""A real Mosquitto, from the machine's packages, one process per test."""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from sanfang.ports import LOOPBACK, accepts
from sanfang.supervisor import Service
from tests.services.apt import install


def find_mosquitto() -> str | None:
    """The path of the program, or None."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def set_up() -> None:
    """Install it unless it is there; raises ServiceUnavailable."""
    if find_mosquitto() is None:
        install("mosquitto")


@dataclass(frozen=True, slots=True)
class MosquittoServer:
    """One broker on the loopback, in memory, with the embedded one's limits."""

    port: int
    directory: Path

    def service(self) -> Service:
        program = find_mosquitto()
        assert program is not None, "look with find_mosquitto first"
        self.directory.mkdir(parents=True, exist_ok=True)
        file = self.directory / "mosquitto.conf"
        user = pwd.getpwuid(os.geteuid()).pw_name
        file.write_text(
            f"listener {self.port} {LOOPBACK}\nallow_anonymous true\npersistence false\nuser {user}\n"
            "max_inflight_messages 1000\nmax_queued_messages 100000\nlog_type error\nlog_type warning\n",
            encoding="utf-8",
        )
        return Service("mosquitto", [program, "-c", str(file)], ready=lambda: accepts(self.port))


@dataclass(frozen=True, slots=True)
class SecuredMosquitto:
    """One broker that runs what `sanfang broker configuration` wrote into its folder."""

    port: int
    directory: Path

    def service(self) -> Service:
        program = find_mosquitto()
        assert program is not None, "look with find_mosquitto first"
        file = self.directory / "mosquitto.conf"
        return Service("mosquitto", [program, "-c", str(file)], ready=lambda: accepts(self.port))
