"""Let Python's search for garbage pass over what was there before a sending began.

A claim brings thousands of objects that live until their messages are settled, which Python takes for a reason to look
through everything: modules, definitions, templates. None of that is garbage, and each look costs as much as hundreds of messages.
Nor is what a claim brings: it goes by itself, message by message, so new objects are looked through less often as well.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# So many more objects than have gone before the new ones are looked through; a claim brings some thousands.
_NEW = 10_000

_guard = threading.Lock()
_inside = 0
_before = gc.get_threshold()


@contextmanager
def heap_set_aside() -> Iterator[None]:
    """Set aside what exists now until the last block of this kind ends; several channels send at the same time."""
    global _inside, _before  # noqa: PLW0603 (the collector is one for the whole process, so is what is known of it)
    with _guard:
        _inside += 1
        if _inside == 1:
            gc.freeze()
            _before = gc.get_threshold()
            if 0 < _before[0] < _NEW:
                gc.set_threshold(_NEW, *_before[1:])
    try:
        yield
    finally:
        with _guard:
            _inside -= 1
            if _inside == 0:
                gc.unfreeze()
                gc.set_threshold(*_before)
