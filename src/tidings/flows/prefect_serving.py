"""A Prefect server out of this installation: `python -m tidings.flows.prefect_serving --port 4200`, options as of `prefect server start`.

The server of Prefect 3.8 schedules nothing with SQLAlchemy 2.1, which tidings needs: it gives the column-less attribute `state`
to a bulk insert, which 2.0 left out in silence and 2.1 refuses. Here it is told to leave it out. A server in an environment of
its own, such as Prefect's image, needs none of this; workers and flows never do.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any


def leave_out_state() -> None:
    """Let bulk inserts of flow runs leave `state` out, as they did with SQLAlchemy 2.0."""
    import sqlalchemy as sa
    from prefect.server.database.orm_models import FlowRun, TaskRun

    for model in (FlowRun, TaskRun):
        mapper: Any = sa.inspect(model)
        hybrid: Any = mapper.all_orm_descriptors["state"]
        if getattr(hybrid, "bulk_dml_setter", None) is None:
            hybrid.bulk_dml_setter = _left_out


def main(arguments: list[str]) -> None:
    """Run `prefect server start` in this process, by its own command line; ends when the server does."""
    leave_out_state()
    from prefect.cli import app

    sys.argv = ["prefect", "server", "start", *arguments]
    app()


def _left_out(_: type[Any], mapping: MutableMapping[str, Any], value: object) -> None:
    """Keep what is given: the insert takes the columns, and `state` is none."""


if __name__ == "__main__":
    main(sys.argv[1:])
