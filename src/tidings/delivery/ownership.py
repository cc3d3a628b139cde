"""Who holds a claim, and when it is certain that the holder is dead.

A claim names its owner as `host/pid namespace:pid:start of the process:uuid`. A process is provably dead
only when it ran on this machine since this boot and its process id is gone or belongs to a younger
process; in every other case the lease decides.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from uuid import uuid4


def own_name() -> str:
    """Return the name of this process for claims; unique, so two senders in one process differ."""
    pid = os.getpid()
    return f"{_host()}:{pid}:{_started(pid) or 0}:{uuid4().hex}"


def provably_dead(owner: str, boot_id: str | None, *, here: str | None) -> bool:
    """Tell whether the owner of a claim made under `boot_id` cannot be alive, seen from boot `here`."""
    if boot_id is None or boot_id != here:
        return False
    try:
        host, pid_text, started_text, _ = owner.rsplit(":", 3)
        pid, started = int(pid_text), int(started_text)
    except ValueError:
        return False
    if host != _host():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    now_there = _started(pid)
    # The number was given again to a younger process: the owner itself is gone.
    return bool(started and now_there and started != now_there) or _is_zombie(pid)


def _host() -> str:
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}/{namespace}"


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    # The second field is the program's name in brackets and may hold blanks itself.
    return text.rpartition(")")[2].split()


def _started(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[19]) if len(fields) > 19 else None


def _is_zombie(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] in ("Z", "X")
