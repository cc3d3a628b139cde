"""The customers of one account in a message that stands for all of them: `{% for one in group %} {{ one.full_name }} …`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tidings.templates.values import Missing, RenderError, clean

NAME = "group"
KEY = "key"
MAX_MEMBERS = 1_000

Reader = Callable[[Any], Any]


class GroupReader:
    """Reads the stored values of the members of an account into template data; `names` are those that the message names."""

    def __init__(self, names: Collection[str], readers: Mapping[str, Reader]) -> None:
        self.names = frozenset(names) - {KEY}
        self._readers = [
            (name, readers[name], Missing(f"{NAME}.{name}")) for name in sorted(self.names & readers.keys())
        ]

    def __call__(self, given: object) -> list[dict[str, Any]]:
        """Return the members in order; raises RenderError for too many, and where a value cannot be shown."""
        if not isinstance(given, Sequence) or isinstance(given, str) or not given:
            raise RenderError(NAME, "is not there: the message was given no customers of the account")
        if len(given) > MAX_MEMBERS:
            raise RenderError(NAME, f"has {len(given):,} customers; a message takes {MAX_MEMBERS:,}")
        return [self._member(one) for one in given]

    def _member(self, given: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {KEY: clean(str(given.get(KEY, "")))}
        for name, read, missing in self._readers:
            raw = given.get(name)
            values[name] = missing if raw is None or raw == "" else read(raw)
        return values


def group_reader(
    used: Collection[str], members: Collection[str], readers: Mapping[str, Reader]
) -> GroupReader | None:
    """Return what reads the members, None for a message that names no group (or a shop whose own attribute it is)."""
    return GroupReader(members, readers) if NAME in used and NAME not in readers else None


def samples(names: Collection[str], values: Mapping[str, Any], count: int = 3) -> list[dict[str, Any]]:
    """Return made-up members with these values."""
    return [
        {KEY: f"C-{number}", **{name: values[name] for name in names if name in values}}
        for number in range(1, count + 1)
    ]
