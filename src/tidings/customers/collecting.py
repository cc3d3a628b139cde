"""Let Python look for garbage less often while rows stream by.

Rows are tuples and texts that go as soon as nothing names them; looking for cycles among them after every few
hundred costs about a tenth of an import and finds none.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Objects that are made before a look: some thousand rows, a few megabytes. And every 20th of those looks goes deeper.
_OFTEN = (50_000, 20, 20)


@contextmanager
def rarely_collecting() -> Iterator[None]:
    """Raise the thresholds of the garbage collector until the block ends; where it is off it stays off."""
    before = gc.get_threshold()
    if before[0]:
        gc.set_threshold(*(max(pair) for pair in zip(before, _OFTEN, strict=True)))
    try:
        yield
    finally:
        gc.set_threshold(*before)
