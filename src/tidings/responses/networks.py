"""Whose network a hit came from: a bundled list of public networks, and what a workspace adds to it.

The list is networks.txt beside this module; config/networks.txt of a workspace, in the same form, goes before it.
A hit keeps its network as /24 or /48, so no longer prefix can be told apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from ipaddress import ip_network
from pathlib import Path

from tidings.errors import UsageError

FILE = "config/networks.txt"
KINDS = ("relay", "proxy", "microsoft", "security", "datacentre", "people")
_LONGEST = {4: 24, 6: 48}
_Line = tuple[int, int, int, str]


class Networks:
    """Tells the kind of a network by the longest prefix that holds it. Threads may share it."""

    def __init__(self, lines: Iterable[_Line]) -> None:
        held: dict[int, dict[int, dict[int, str]]] = {4: {}, 6: {}}
        for version, length, prefix, kind in lines:
            held[version].setdefault(length, {})[prefix] = kind
        self._held = {version: sorted(by_length.items(), reverse=True) for version, by_length in held.items()}
        self.kind = lru_cache(maxsize=8192)(self._kind)

    def _kind(self, network: str) -> str | None:
        """Return the kind of a network as a hit keeps it, such as 203.0.113.0/24; None for one that is not listed."""
        try:
            asked = ip_network(network)
        except ValueError:
            return None
        number, bits = int(asked.network_address), asked.max_prefixlen
        for length, prefixes in self._held[asked.version]:
            kind = prefixes.get(number >> (bits - length))
            if kind is not None:
                return None if kind == "people" else kind
        return None


def read_lines(text: str, *, path: str) -> list[_Line]:
    """Return the lines of a list; UsageError names the first that cannot be read."""
    return [
        _line(line, path, number)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]


@lru_cache(maxsize=1)
def bundled() -> Networks:
    """Return the list that comes with Tidings."""
    return Networks(_bundled_lines())


def networks_of(root: str | Path) -> Networks:
    """Return the list of a workspace: the bundled one, and before it config/networks.txt where there is one."""
    path = Path(root) / FILE
    if not str(root) or not path.is_file():
        return bundled()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{FILE} cannot be read: {error}", what_to_do="make it a text file in UTF-8 that Tidings may read"
        ) from error
    # The same prefix a second time takes the place of the first.
    return Networks([*_bundled_lines(), *read_lines(text, path=FILE)])


@lru_cache(maxsize=1)
def _bundled_lines() -> tuple[_Line, ...]:
    text = files("tidings.responses").joinpath("networks.txt").read_text(encoding="utf-8")
    return tuple(read_lines(text, path="networks.txt"))


def _line(line: str, path: str, number: int) -> _Line:
    prefix, _, rest = line.strip().partition(" ")
    kind = rest.split()[0] if rest.split() else ""
    try:
        network = ip_network(prefix)
    except ValueError as error:
        raise UsageError(
            f"{path}:{number}:1: {error}", what_to_do="write a prefix first, such as 203.0.113.0/24"
        ) from error
    if network.prefixlen > _LONGEST[network.version]:
        raise UsageError(
            f"{path}:{number}:1: {prefix} is longer than /{_LONGEST[network.version]}, and a hit keeps no more of an address",
            what_to_do=f"write the /{_LONGEST[network.version]} that holds it, if all of it is meant",
        )
    if kind not in KINDS:
        raise UsageError(
            f"{path}:{number}:{len(prefix) + 2}: {kind!r} is no kind of network",
            what_to_do=f"write one of {', '.join(KINDS)} behind the prefix",
        )
    length = network.prefixlen
    return network.version, length, int(network.network_address) >> (network.max_prefixlen - length), kind
