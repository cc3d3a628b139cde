"""How a text message says that one may leave: the words at its end, by locale and by what the sender can take back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tidings.templates.sources import nearest_locale

# The name under which these words stand in a template, and under which a variant says its own.
NAME = "opt_out"

BY_REPLY: dict[str, str] = {
    "en": "Reply STOP to opt out",
    "ru": "Отписка: STOP",
    "zh-CN": "回T退订",
    "zh-TW": "回覆 STOP 退訂",
}
# To a sender that is a name nobody can answer.
BY_LINK: dict[str, str] = {
    "en": "Opt out: {{ unsubscribe_url }}",
    "ru": "Отписка: {{ unsubscribe_url }}",
    "zh-CN": "退订:{{ unsubscribe_url }}",
    "zh-TW": "退訂:{{ unsubscribe_url }}",
}
_OWN = re.compile(r"\b(?:STOP|STOPP|STOPALL|UNSUBSCRIBE|ARRET|BAJA|PARAR|СТОП|ОТПИСКА|ОТПИСАТЬСЯ)\b|退[订訂]")
_HOLES = re.compile(rf"\{{\{{-?\s*(?:{NAME}|unsubscribe_url)\b")
_END = 60
_NUMBER = re.compile(r"\+?[0-9][0-9 ()-]{2,18}")


def takes_answers(sender: str) -> bool:
    """Tell whether people can answer a sender: a number or short code, or none (the provider then picks a number)."""
    return not sender.strip() or _NUMBER.fullmatch(sender.strip()) is not None


def words(locale: str, *, answers: bool, own: Mapping[str, str] | None = None) -> str | None:
    """Return the words for a locale, from `own` before the usual ones; None where there are none in its language."""
    for known in (own or {}, BY_REPLY if answers else BY_LINK):
        best = nearest_locale(locale, [name for name in known if name], "")
        if best is not None:
            return known[best]
        if "" in known:
            return known[""]
    return None


def says_how_to_leave(sources: Iterable[str], *, answers: bool) -> bool:
    """Tell whether a text has a way to leave of its own.

    A word to answer with counts only where one can answer, and only near the end: "STOP paying too much" is none.
    """
    return any(_HOLES.search(one) or (answers and _OWN.search(one.rstrip()[-_END:])) for one in sources)
