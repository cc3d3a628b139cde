"""How many customers each segment has now, and whom unknown values drop or keep: `tidings check --counts`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.segments.looking import Look


def segment_counts(root: Path, chosen: Collection[str]) -> list[Look]:
    """Return a look at each computed segment whose file is among the paths, in the store of the environment.

    No store is made for it: raises UsageError where there is none yet, StoreError where it cannot be read.
    """
    from tidings.cli.session import open_session, target_of
    from tidings.clock import SystemClock
    from tidings.config.settings import load_settings
    from tidings.errors import RefusedByPolicy, UsageError
    from tidings.segments.looking import Look, look
    from tidings.store.engines import file_of

    path = file_of(target_of(load_settings(root), SystemClock()).url)
    if path is not None and not (path.exists() and path.stat().st_size):
        raise UsageError(
            "--counts needs customers, and there is no store yet",
            what_to_do="bring some in: tidings import FILE --as customers",
        )
    found = []
    with open_session(root=root) as session, session.store.read() as connection:
        definitions, now = session.settings.definitions, session.clock.now()
        for one in sorted(definitions.segments.values(), key=lambda one: one.path):
            if one.path in chosen and one.members == "rules":
                try:
                    found.append(look(connection, definitions, one, now=now, limit=0))
                except RefusedByPolicy as error:
                    # A score that nobody applied yet is no mistake in the file.
                    words = f"{error.message}; {error.what_to_do}"
                    found.append(Look(one, now, 0, 0, (), (), (), refused=words))
    return found


def count_lines(found: list[Look]) -> list[str]:
    """Return the counts as lines for people: the segment, then each unknown attribute that decides about somebody."""
    lines = []
    for one in found:
        if one.refused:
            lines.append(f"not counted: {one.refused}")
            continue
        lines.append(f"{one.segment.path}: {one.count:,} of {one.customers:,} customers")
        for unknown in one.unknown:
            because = f"because {unknown.attribute} is unknown"
            if unknown.kept:
                lines.append(f"  {unknown.kept:,} of them {because}")
            if unknown.dropped:
                lines.append(f"  {unknown.dropped:,} left out {because}")
    return lines


def as_data(found: list[Look]) -> dict[str, dict[str, object]]:
    """Return the counts by the path of the segment, with the stable keys of `tidings check --counts --json`."""
    return {
        one.segment.path: {
            "count": one.count,
            "customers": one.customers,
            **({"refused": one.refused} if one.refused else {}),
            "unknown": [
                {"attribute": each.attribute, "left_out": each.dropped, "let_in": each.kept}
                for each in one.unknown
            ],
        }
        for one in found
    }
