"""By what a row is known again in a later export: columns that identify it, or all that it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b

from tidings.customers.cells import CellError
from tidings.customers.spill import Ordinals


class RowKeys:
    """Names rows: by the columns `ids`, else by the hash of the row and its ordinal among equals in the file."""

    def __init__(self, ids: Sequence[str], places: dict[str, int], ordinals: Ordinals) -> None:
        self._ordinals, self._first = ordinals, ids[0] if ids else ""
        self._ids = [places[name] for name in ids]
        # Sorted by name, so that an export with its columns in another order has the same rows.
        self._whole = [place for _, place in sorted(places.items())]

    def __call__(self, cells: Sequence[str]) -> str:
        """Return the key of a row; raises CellError when the columns that identify it are empty."""
        if self._ids:
            values = [cells[place].strip() for place in self._ids]
            if not any(values):
                raise CellError("no id", "the columns that identify the row are empty", self._first)
            return json.dumps(["id", *values], ensure_ascii=False)
        digest = blake2b("\x1f".join([cells[place] for place in self._whole]).encode(), digest_size=16)
        return f"row:{digest.hexdigest()}:{self._ordinals.next(digest.digest())}"
