"""Days as options of commands give them."""

from __future__ import annotations

from datetime import date

from tidings.errors import UsageError

_FIRST_YEAR, _LAST_YEAR = 1900, 2999


def day_of(text: str | None, option: str) -> date | None:
    """Return the day that an option says, None where it is not given. Raises UsageError for what is no day of 1900 to 2999."""
    if text is None:
        return None
    try:
        if len(text) != len("2027-03-20"):
            raise ValueError
        day = date.fromisoformat(text)
        # Days and zones are counted from it, and a calendar has an end.
        if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
            raise ValueError
        return day
    except ValueError as error:
        raise UsageError(f'"{text}" is no day', what_to_do=f"write it as {option} 2027-03-20") from error
