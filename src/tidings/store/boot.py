"""The boot id of this machine: marks written without a disk sync can be trusted only under the same one."""

from __future__ import annotations

from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id(path: Path = _BOOT_ID) -> str | None:
    """Return the kernel's boot id, or None where there is none; None must be treated like a changed one."""
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
