"""A real TimescaleDB (Apache edition) of Debian 13 in a folder of its own, also on Debian 12.

Debian 12 has no TimescaleDB, and Debian 13's needs a newer C library than the machine's. So its packages are
unpacked, together with the libraries they need, into one folder; the server runs with that folder as its root
and as an unprivileged user. Nothing is installed on the machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from sanfang.embedded.postgres import SUPERUSER
from sanfang.ports import LOOPBACK
from sanfang.supervisor import Account, Service
from tests.services.apt import ServiceUnavailable, archive_of, private_apt, require_root, run_apt

FOLDER = Path(__file__).resolve().parents[2] / ".services" / "timescaledb"
ACCOUNT = Account(65534, 65534)
BIN = "/usr/lib/postgresql/17/bin"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = (
    "postgresql-17 postgresql-client-17 postgresql-17-timescaledb dash libc-bin tzdata libaudit1 "
    "libc6 libcap-ng0 libcap2 libcom-err2 libgcc-s1 libgssapi-krb5-2 libicu76 libk5crypto3 "
    "libkeyutils1 libkrb5-3 libkrb5support0 libldap2 liblz4-1 liblzma5 libpam0g libpq5 "
    "libreadline8t64 libsasl2-2 libssl3t64 libstdc++6 libsystemd0 libtinfo6 libxml2 libxxhash0 "
    "libzstd1 zlib1g"
)

_CONFIGURATION = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "4",
    "max_connections": "100",
    "shared_buffers": "96MB",
    "jit": "off",
    "huge_pages": "off",
    "timezone": "UTC",
    "fsync": "off",
    "synchronous_commit": "off",
    "log_min_messages": "warning",
}


def root() -> Path:
    """The folder that is the server's `/`."""
    return FOLDER / "root"


def is_set_up() -> bool:
    return (FOLDER / "ready").exists()


def set_up() -> None:
    """Download and unpack, once; raises ServiceUnavailable where this machine cannot."""
    if is_set_up():
        return
    require_root()
    if not KEYRING.exists():
        raise ServiceUnavailable("the Debian archive keyring is not on this machine")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    signed = f"[signed-by={KEYRING}]"
    sources = (
        f"deb {signed} {archive_of('Debian')} trixie main\n"
        f"deb {signed} {archive_of('Debian-Security')} trixie-security main\n"
    )
    options = private_apt(FOLDER / "apt", sources)
    run_apt("update", options=options)
    archives = FOLDER / "archives"
    archives.mkdir()
    run_apt("download", *PACKAGES.split(), options=options, directory=archives)
    _unpack(archives, root())
    shutil.rmtree(FOLDER / "apt")
    shutil.rmtree(archives)
    try:
        _inside(f"{BIN}/postgres", "--version")
    except subprocess.CalledProcessError as error:
        raise ServiceUnavailable(f"the unpacked server does not run: {error.stderr.strip()}") from error
    (FOLDER / "ready").touch()


def _unpack(archives: Path, target: Path) -> None:
    """Unpack every archive below `target` and make the little that a server needs of a system."""
    target.mkdir()
    for name in ("bin", "sbin", "lib", "lib64"):
        (target / "usr" / name).mkdir(parents=True)
        (target / name).symlink_to(f"usr/{name}")
    for archive in sorted(archives.glob("*.deb")):
        # Through tar, because dpkg-deb -x would replace the links above by the package's own folders.
        unpacked = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE)
        subprocess.run(
            ["tar", "--extract", "--keep-directory-symlink", "--no-same-owner", "-C", str(target)],
            stdin=unpacked.stdout,
            check=True,
        )
        if unpacked.wait() != 0:
            raise ServiceUnavailable(f"{archive.name} cannot be unpacked")
        if unpacked.stdout is not None:
            unpacked.stdout.close()
    (target / "dev" / "shm").mkdir(parents=True)
    for name, minor in (("null", 3), ("urandom", 9)):
        os.mknod(target / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        (target / "dev" / name).chmod(0o666)
    for name in ("tmp", "dev/shm"):
        (target / name).mkdir(exist_ok=True)
        (target / name).chmod(0o1777)
    (target / "etc").mkdir(exist_ok=True)
    (target / "etc" / "passwd").write_text("nobody:x:65534:65534:nobody:/tmp:/bin/sh\n", encoding="utf-8")
    (target / "clusters").mkdir()


def _inside(*command: str) -> str:
    """Run a command with the folder as root, as the unprivileged account; returns what it printed."""
    userspec = f"--userspec={ACCOUNT.user}:{ACCOUNT.group}"
    result = subprocess.run(
        ["chroot", userspec, "--groups=", str(root()), *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        check=True,
    )
    return result.stdout


@dataclass(frozen=True, slots=True)
class TimescaleServer:
    """One cluster inside the folder, on its own port; its data goes when the test run ends."""

    name: str
    port: int

    @property
    def _cluster(self) -> str:
        return f"/clusters/{self.name}"

    def dsn(self, dbname: str = "postgres") -> str:
        return f"postgresql://{SUPERUSER}@{LOOPBACK}:{self.port}/{quote(dbname)}?connect_timeout=5"

    def prepare(self) -> None:
        folder = root() / "clusters" / self.name
        folder.mkdir(mode=0o700)
        os.chown(folder, ACCOUNT.user, ACCOUNT.group)
        initdb = [
            f"{BIN}/initdb",
            "--pgdata",
            self._cluster,
            "--username",
            SUPERUSER,
            "--auth=trust",
            "--no-sync",
        ]
        _inside(*initdb, "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8")

    def remove(self) -> None:
        shutil.rmtree(root() / "clusters" / self.name)

    def service(self) -> Service:
        settings = {**_CONFIGURATION, "port": str(self.port)}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return Service(
            "timescale",
            [f"{BIN}/postgres", "-D", self._cluster, *options],
            ready=self.answers,
            environment={"LC_ALL": "C"},
            account=ACCOUNT,
            root=root(),
            stop_signal=signal.SIGINT,
        )

    def answers(self) -> bool:
        try:
            psycopg.connect(self.dsn(), connect_timeout=2).close()
        except psycopg.Error:
            return False
        return True
