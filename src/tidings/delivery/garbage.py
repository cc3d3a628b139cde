"""Let Python's search for garbage pass over what was there before a sending began.

A claim brings thousands of objects that live until their messages are settled, which Python takes for a reason to look
through everything: modules, definitions, templates. None of that is garbage, and each look costs as much as hundreds of messages.
Nor is what a claim brings: it goes by itself, message by message, so new objects are looked through less often as well.

What is set aside and given back counts as old at once, without being counted as new: Python would then never look through
the old ones again. A service that sends every second would keep all garbage that goes in circles. So the new objects are
looked through before they are set aside, and all of them once in many sendings.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# So many more objects than have gone before the new ones are looked through; a claim brings some thousands.
_NEW = 10_000
# After so many sendings everything is looked through: a third of a second in a minute of a service.
_SENDINGS = 50

_guard = threading.Lock()
_inside = 0
_sendings = 0
_before = gc.get_threshold()


@contextmanager
def heap_set_aside() -> Iterator[None]:
    """Set aside what exists now until the last block of this kind ends; several channels send at the same time."""
    global _inside, _before, _sendings  # noqa: PLW0603 (the collector is one for the whole process, so is what is known of it)
    with _guard:
        _inside += 1
        if _inside == 1:
            # Where nobody wants the collector, as in a measurement, nothing is looked through.
            if gc.isenabled():
                _sendings += 1
                gc.collect(2 if _sendings % _SENDINGS == 0 else 1)
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
