"""Numbers with their noun, as people say them: 1 message, 2,300 messages."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun; `many` is the plural where an s does not make it."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def people(number: int) -> str:
    """Return so many people in words: 1 person, 12 people."""
    return counted(number, "person", "people")
