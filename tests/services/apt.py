"""Debian packages by the machine's own apt: install some, or download others from a newer release."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


class ServiceUnavailable(Exception):
    """A service cannot be had on this machine; the message says why."""


def require_root() -> None:
    """Raise ServiceUnavailable unless apt can install here."""
    if shutil.which("apt-get") is None:
        raise ServiceUnavailable("this machine has no apt")
    if os.geteuid() != 0:
        raise ServiceUnavailable("installing needs root")


def run_apt(*arguments: str, options: dict[str, str] | None = None, directory: Path | None = None) -> str:
    """Run apt-get without questions; returns what it printed, raises ServiceUnavailable with its last line."""
    words = [word for key, value in (options or {}).items() for word in ("-o", f"{key}={value}")]
    result = subprocess.run(
        ["apt-get", "-q", *words, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=directory,
        # RUNLEVEL=1: a package that brings a daemon must not start it on this machine.
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1", "LC_ALL": "C"},
        check=False,
    )
    if result.returncode != 0:
        said = (result.stderr.strip() or result.stdout.strip()).splitlines()
        raise ServiceUnavailable(f"apt-get {arguments[0]}: {said[-1] if said else result.returncode}")
    return result.stdout


def install(*packages: str) -> None:
    """Install packages; the package lists are renewed only when the first try fails."""
    require_root()
    command = ("install", "--yes", "--no-install-recommends", *packages)
    try:
        run_apt(*command)
    except ServiceUnavailable:
        run_apt("update")
        run_apt(*command)


def archive_of(label: str) -> str:
    """The address from which this machine's own apt reads the archive that calls itself `label`."""
    for renewed in (False, True):
        lines = run_apt("indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Created-By: Packages").splitlines()
        for line in lines:
            found, _, address = line.partition("|")
            if found == label:
                return address
        if not renewed:
            run_apt("update")
    raise ServiceUnavailable(f"this machine's apt knows no archive labelled {label}")


def private_apt(folder: Path, sources: str) -> dict[str, str]:
    """Options for an apt of our own below `folder`, with its own sources, lists and (empty) status.

    The machine's apt.conf.d stays in force (proxies); its sources and installed packages are not touched.
    """
    for name in ("lists/partial", "archives/partial", "state"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(sources, encoding="utf-8")
    return {
        "Dir::Etc::SourceList": str(folder / "sources.list"),
        "Dir::Etc::SourceParts": "-",
        "Dir::Etc::Preferences": "-",
        "Dir::Etc::PreferencesParts": "-",
        "Dir::State": str(folder / "state"),
        "Dir::State::Lists": str(folder / "lists"),
        "Dir::State::Status": str(folder / "status"),
        "Dir::Cache": str(folder),
        "Dir::Cache::Archives": str(folder / "archives"),
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
