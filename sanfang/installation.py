"""The demo's folder: its ports, its configuration files, the lock that keeps a second demo out of it.

Everything in the folder is the demo's own and is written anew at each start, except the data, the ports and
the database's password. The school itself (zones, devices, people, rules) is read from config/ of the checkout.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import yaml

from sanfang.ports import CONTROL_PORT, LOOPBACK, keep_ports

SHIPPED = Path(__file__).resolve().parents[1] / "config"
EDGE = "demo-edge"

# Which environment variable of site.yaml and campus.yaml stands for which port.
PLACEHOLDERS = {
    "SANFANG_BROKER_PORT": "broker",
    "SANFANG_FIRE_PANEL_PORT": "fire_panel",
    "SANFANG_DOORS_PORT": "doors",
    "SANFANG_IO_PORT": "io",
    "SANFANG_ELECTRICAL_PORT": "electrical",
    "SANFANG_CAMERA_PORT": "camera",
    "SANFANG_HTTP_PORT": "http",
    "SANFANG_CONTROL_PORT": "control",
}


class DemoError(Exception):
    """The demo cannot run here; the message is one line with the cure."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A demo's folder with everything in it that the programs need to be told."""

    folder: Path
    database_home: Path
    ports: Mapping[str, int]
    database_password: str

    @property
    def run_dir(self) -> Path:
        return self.folder / "run"

    @property
    def log_dir(self) -> Path:
        return self.folder / "log"

    @property
    def hub_file(self) -> Path:
        return self.folder / "hub.yaml"

    @property
    def edge_file(self) -> Path:
        return self.folder / "edge.yaml"

    @property
    def console(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['http']}"

    @property
    def control(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['control']}"

    def environment(self) -> dict[str, str]:
        """What the programs' YAML files read from the environment."""
        return {name: str(self.ports[port]) for name, port in PLACEHOLDERS.items()}

    def write_configuration(self, database: str) -> None:
        """Write hub.yaml (0600, it names the database's password) and edge.yaml."""
        hub = {
            "database": database,
            "broker": {"host": LOOPBACK, "port": self.ports["broker"]},
            "http": {"host": LOOPBACK, "port": self.ports["http"]},
            "sites": [str(SHIPPED / "demo" / "site.yaml")],
            "profiles": str(SHIPPED / "profiles"),
            "rules": str(SHIPPED / "rules"),
            "plans": str(SHIPPED / "plans"),
            "run_dir": "run",
            "data_dir": "hub",
        }
        edge = {"data_dir": "edge", "run_dir": "run"}
        write_private(self.hub_file, f"# Written by `sanfang demo`.\n{yaml.safe_dump(hub, sort_keys=False)}")
        write_private(self.edge_file, f"# Written by `sanfang demo`.\n{yaml.safe_dump(edge, sort_keys=False)}")


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)


def require_school() -> None:
    """Raise DemoError where config/ is not beside the code (a wheel without a checkout)."""
    missing = [name for name in ("demo/site.yaml", "demo/campus.yaml") if not (SHIPPED / name).is_file()]
    if missing:
        raise DemoError(f"{SHIPPED} lacks {', '.join(missing)}: run the demo from a checkout of Sanfang")


def make_folder(folder: Path) -> None:
    """Make the folder and its parts; raises DemoError where it cannot be written."""
    try:
        for part in (folder, folder / "run", folder / "log", folder / "hub", folder / "edge"):
            part.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except (FileExistsError, NotADirectoryError) as error:
        raise DemoError(
            f"{folder} cannot be written (it, or what it lies in, is a file): name a folder with --data DIR"
        ) from error
    except OSError as error:
        raise DemoError(
            f"{folder} cannot be written ({error.strerror}): name another with --data DIR"
        ) from error


def lock_folder(folder: Path) -> IO[str]:
    """Hold the folder for this process until the returned file is closed; DemoError when another one does."""
    file = (folder / "demo.lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise DemoError(
            f"a demo runs on {folder} already (pid {holder}): stop it, or name another folder with --data DIR"
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def keep_password(folder: Path) -> str:
    """The database superuser's password of this folder, made at the first start."""
    file = folder / "database-password"
    if not file.exists():
        write_private(file, secrets.token_urlsafe(24) + "\n")
    return file.read_text(encoding="ascii").strip()


def open_installation(folder: Path, database_home: Path, http_port: int) -> Installation:
    """Read or make what the folder keeps; raises PortError when the console's port is in use."""
    names = ("postgres", *PLACEHOLDERS.values())
    ports = keep_ports(
        folder / "ports.json", names, fixed={"http": http_port}, wished={"control": CONTROL_PORT}
    )
    return Installation(folder, database_home, ports, keep_password(database_home))
