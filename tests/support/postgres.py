"""A PostgreSQL server of the test run's own: started on a socket in a new folder, stopped by its pid."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from support.memory import fastest_folder

# Durability of the server's disk is not what these tests are about; sessions keep their own synchronous_commit.
_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "5min",
    "max_wal_size": "256MB",
}


def find_binaries() -> Path | None:
    """Return the newest installed PostgreSQL's folder of programs, or None."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]), reverse=True
    )
    if found:
        return found[0].parent
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


def _account() -> pwd.struct_passwd | None:
    """Return whom to run the server as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _sweep() -> None:
    """Remove folders that killed test runs left behind: older than ten minutes and without a living server."""
    for folder in Path(fastest_folder()).glob("tidings-pg-*"):
        try:
            if time.time() - folder.stat().st_mtime < 600:
                continue
            pid = int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])
            os.kill(pid, 0)
        except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
            shutil.rmtree(folder, ignore_errors=True)
        except PermissionError:
            continue


class Server:
    """A running server; `process` is its postmaster, `url(name)` the address of a database in it."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process
        self._ours: psycopg.Connection | None = None

    def url(self, database: str) -> str:
        return f"postgresql://tidings@/{database}?host={self.folder}"

    def conninfo(self, database: str = "postgres") -> str:
        return f"host={self.folder} user=tidings dbname={database}"

    def execute(self, statement: str) -> None:
        """Run one statement outside any transaction, such as CREATE DATABASE, on a connection that is kept for the next."""
        if self._ours is None or self._ours.closed:
            self._ours = psycopg.connect(self.conninfo(), autocommit=True)
        self._ours.execute(statement)

    def close(self) -> None:
        """Give up the kept connection."""
        if self._ours is not None:
            self._ours.close()


@contextmanager
def running(binaries: Path) -> Iterator[Server]:
    """Start a server, yield it, stop it and remove its folder."""
    _sweep()
    account = _account()
    who = {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="tidings-pg-", dir=fastest_folder()))
    try:
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        data = folder / "data"
        subprocess.run(
            [
                binaries / "initdb",
                *("-D", data, "-U", "tidings", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            **who,
        )
        options = [part for name, value in _FAST.items() for part in ("-c", f"{name}={value}")]
        command = [str(binaries / "postgres"), "-D", str(data), "-k", str(folder), *options]
        if shutil.which("setpriv"):
            # A killed test run takes its server with it.
            command = ["setpriv", "--pdeathsig", "INT", "--", *command]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=folder, env={"PATH": os.environ["PATH"]}, **who
            )
        server = Server(folder, process)
        try:
            _wait(server)
            yield server
        finally:
            server.close()
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: Server) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(server.conninfo()).close()
        except psycopg.OperationalError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                log = (server.folder / "log").read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL did not start:\n{log}") from None
            time.sleep(0.05)
        else:
            return
