"""Let Python's search for garbage pass over what was there before a sending began.

A claim brings thousands of objects that live until their messages are settled, which Python takes for a reason to look
through everything: modules, definitions, templates. None of that is garbage, and each look costs as much as hundreds of messages.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_guard = threading.Lock()
_inside = 0


@contextmanager
def heap_set_aside() -> Iterator[None]:
    """Set aside what exists now until the last block of this kind ends; several channels send at the same time."""
    global _inside  # noqa: PLW0603 (the collector is one for the whole process, so is the count of those who hold it)
    with _guard:
        _inside += 1
        if _inside == 1:
            gc.freeze()
    try:
        yield
    finally:
        with _guard:
            _inside -= 1
            if _inside == 0:
                gc.unfreeze()
