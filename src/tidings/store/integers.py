"""Many rows of integers as one array, read by the driver without an object for each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

_BATCH = 50_000


def read_integers(connection: sa.Connection, statement: sa.Select[Any], width: int) -> NDArray[np.int64]:
    """Return the rows of a statement that selects `width` integers."""
    # Not streamed: SQLAlchemy would keep the first rows in a buffer of its own, which the driver's cursor does not see.
    result = connection.execute(statement)
    parts = []
    cursor: Any = result.cursor
    while rows := cursor.fetchmany(_BATCH):
        parts.append(np.array(rows, dtype=np.int64))
    result.close()
    return np.concatenate(parts) if parts else np.zeros((0, width), dtype=np.int64)
