"""What a message must have before it may go out: a way to unsubscribe, the postal address; and what it should have."""

from __future__ import annotations

import re

from tidings.errors import Position, Problem
from tidings.templates.markup import mask
from tidings.templates.sources import Message

_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ALT = re.compile(r"\balt\s*=", re.IGNORECASE)
_HTML = re.compile(r"<html\b(?P<rest>[^>]*)>", re.IGNORECASE)
# Consent is withdrawn with one click wherever consent was asked for.
ONE_CLICK_CLASSES = ("marketing", "survey")


def lint(
    message: Message,
    used: dict[str, set[str]],
    *,
    message_class: str,
    postal_address: str,
) -> list[Problem]:
    """Return errors and warnings of a message; `used` gives the names read by each part (`html`, `text`).

    Marketing and survey messages need `{{ unsubscribe_url }}` and `{{ postal_address }}` in every part (CAN-SPAM,
    RFC 8058, the bulk-sender rules of the large mailbox providers).
    """
    problems: list[Problem] = []
    parts = {"text": message.text} | ({"html": message.html} if message.html else {})
    if message_class in ONE_CLICK_CLASSES:
        for name, text in parts.items():
            end = len(text.source.rstrip())
            if "unsubscribe_url" not in used[name]:
                problems.append(
                    text.problem(
                        "TPL30",
                        f"a {message_class} message needs a link to unsubscribe",
                        end,
                        hint="add {{ unsubscribe_url }}",
                    )
                )
            if "postal_address" not in used[name]:
                problems.append(
                    text.problem(
                        "TPL31",
                        f"a {message_class} message needs the sender's postal address",
                        end,
                        hint="add {{ postal_address }}",
                    )
                )
        if not postal_address.strip():
            place = Position("config/workspace.yaml")
            sentence = f"a {message_class} message needs `postal_address:` in config/workspace.yaml"
            problems.append(Problem("TPL31", sentence, place))
    if message.html:
        masked = mask(message.html.source)
        for found in _IMAGE.finditer(masked):
            if not _ALT.search(found.group()):
                problems.append(
                    _warning(
                        message,
                        "TPL32",
                        'an image needs alt="…" (empty for decoration)',
                        found.start(),
                    )
                )
        page = _HTML.search(masked)
        if page is None or "lang" not in page["rest"]:
            sentence = '<html lang="…"> tells screen readers the language'
            problems.append(_warning(message, "TPL33", sentence, page.start() if page else 0))
    return problems


def _warning(message: Message, code: str, sentence: str, offset: int) -> Problem:
    assert message.html is not None
    found = message.html.problem(code, sentence, offset)
    return Problem(found.code, found.message, found.at, found.hint, "warning", found.source)
