"""A table as a pandas frame. Pandas is no part of the engine: only notebooks want it, and name it as an extra."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tidings.errors import TidingsError
from tidings.papers.tables.table import Table

if TYPE_CHECKING:
    import pandas as pd

# Types that say "not known" without turning whole numbers into decimals.
_TYPES = {
    "text": "string",
    "whole": "Int64",
    "number": "Float64",
    "share": "Float64",
    "money": "Float64",
    "flag": "boolean",
}


def frame(table: Table) -> pd.DataFrame:
    """Return the table as a frame: whole numbers are Int64, amounts and shares Float64, instants aware in UTC.

    What is not known is `pd.NA` (`NaT` for instants and days). `frame.attrs` holds `words` (what must be known to read the
    figures) and `columns` (what each holds). Raises TidingsError where pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise TidingsError(
            "frames need pandas, which is not installed",
            what_to_do="pip install 'tidings[notebook]'",
            code="pandas-missing",
        ) from error
    series: dict[str, Any] = {}
    for place, column in enumerate(table.columns):
        values = [row[place] for row in table.rows]
        if column.kind in ("instant", "day"):
            utc = column.kind == "instant"
            instants = [one if isinstance(one, (datetime, date)) else None for one in values]
            series[column.name] = pd.to_datetime(pd.Series(instants, dtype="object"), utc=utc)
        else:
            plain = [float(one) if isinstance(one, Decimal) else one for one in values]
            series[column.name] = pd.array(plain, dtype=_TYPES[column.kind])
    found = pd.DataFrame(series, columns=[column.name for column in table.columns])
    found.attrs["words"] = list(table.words)
    found.attrs["columns"] = {column.name: column.says for column in table.columns}
    return found
