"""Days as options of commands give them."""

from __future__ import annotations

from datetime import date

from tidings.errors import UsageError


def day_of(text: str | None, option: str) -> date | None:
    """Return the day that an option says, None where it is not given. Raises UsageError for what is no day."""
    if text is None:
        return None
    try:
        if len(text) != len("2027-03-20"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f'"{text}" is no day', what_to_do=f"write it as {option} 2027-03-20") from error
