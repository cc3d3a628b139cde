"""Which values a message can do without and which it cannot: the plan and the preview count the customers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tidings.templates.chains import Others
from tidings.templates.salutations import salutation_for

# Somebody of whom everything is known, by the language of the greeting: Chinese names are made otherwise.
_KNOWN = {
    "full_name": "Anna Berg",
    "first_name": "Anna",
    "last_name": "Berg",
    "patronymic": "Сергеевна",
    "title": "Dr",
}
_KNOWN_CHINESE = _KNOWN | {"full_name": "王怡君", "first_name": "怡君", "last_name": "王", "title": "教授"}


class Message(Protocol):
    """What a compiled e-mail, text message or fax tells of the values that it reads."""

    locale: str
    greeting: str
    required: frozenset[str]
    named: frozenset[str]
    others: frozenset[Others]
    greeted_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Holes:
    """Names of attributes that a message reads.

    `falls_back`: without the value other words stand there, or a passage is left out. `refuses`: a customer without the
    value gets no message (`render_error`). `salutation`: those that {{ salutation }} is made from, which becomes plainer.
    `others`: the words that stand where values are unknown, with these values.
    """

    falls_back: tuple[str, ...]
    refuses: tuple[str, ...]
    salutation: tuple[str, ...] = ()
    others: tuple[Others, ...] = ()


def fallbacks(message: Message) -> Holes:
    """Return the holes of a compiled message; customers who lack a value are counted where the store may be read."""
    return Holes(
        falls_back=tuple(sorted(message.named - message.required)),
        refuses=tuple(sorted(message.required)),
        salutation=message.greeted_by,
        others=tuple(sorted((one for one in message.others if one.words is not None), key=str)),
    )


def greeted_neutrally(locale: str, known: Mapping[str, str | None]) -> bool:
    """Tell whether {{ salutation }} names nobody where only these values are known.

    `known`: a value, or None where it is known and any will do.
    """
    names = _KNOWN_CHINESE if locale.casefold().startswith("zh") else _KNOWN
    values = {name: names.get(name, "") if value is None else value for name, value in known.items()}
    return salutation_for(locale, values) == salutation_for(locale, {})
