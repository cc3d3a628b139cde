"""A process that imports a file, for tests that kill it.

It prints a line for every chunk that was kept, so that a test knows when to strike.
"""

from __future__ import annotations

from pathlib import Path

from support import cost_files, import_world
from support.stores import open_store
from tidings.customers import driving
from tidings.customers.importing import import_file


def main(url: str, mapping: str, file: str) -> int:
    """Import a file by the mapping of that name and say `done` at the end."""
    store_chunk = driving._store_chunk

    def told(job: driving.Job, *more: object) -> None:
        store_chunk(job, *more)  # type: ignore[arg-type]
        print(job.entry.rows_done, flush=True)

    driving._store_chunk = told  # type: ignore[assignment]
    with open_store(url) as store:
        found = getattr(import_world, mapping, None) or getattr(cost_files, mapping)
        import_file(store, import_world.DEFINITIONS, found, Path(file))
    print("done", flush=True)
    return 0
