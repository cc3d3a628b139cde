"""What a text message must have before it may go out, and what makes it dearer than its author thinks."""

from __future__ import annotations

import re
from dataclasses import replace

from tidings.errors import Problem
from tidings.templates.lint import ONE_CLICK_CLASSES
from tidings.templates.markup import mask
from tidings.templates.sms.message import SmsText
from tidings.templates.sms.segments import Encoding, fits_gsm
from tidings.templates.sources import Text

_HTML = re.compile(
    r"</?(?:a|b|br|div|em|h[1-6]|html|i|img|li|p|span|strong|table|td|tr|u|ul)\b[^<>\n]*>|&(?:nbsp|amp|lt|gt|quot);",
    re.IGNORECASE,
)
_LINK = re.compile(r"https?://\S+")
_SIGNED = re.compile(r"\s*【[^】\n]{1,24}】")


def is_signed(source: str) -> bool:
    """Tell whether a text begins with a signature in 【】."""
    return _SIGNED.match(source) is not None


def wants_signature(locale: str) -> bool:
    """Tell whether carriers of the country refuse texts of this locale without a registered signature."""
    return locale.replace("_", "-").casefold() in ("zh-cn", "zh-hans-cn", "zh-hans", "zh")


def wants_opt_out(message_class: str) -> bool:
    """Tell whether a text of this class must say how to leave."""
    return message_class in ONE_CLICK_CLASSES


def without_opt_out(text: Text, message_class: str, locale: str, *, answers: bool) -> Problem:
    """Return the problem of a text that says nowhere how to leave."""
    sentence = f"a {message_class} text must say how to leave, and there are no words for {locale}"
    hint = "write them yourself, such as STOPP, or as `opt_out` of `say`"
    if not answers:
        sentence = f"a {message_class} text must say how to leave, and nobody can answer this sender"
        hint = "write {{ unsubscribe_url }}, or send from a number"
    return text.problem("TPL62", sentence, len(text.source.rstrip()), hint=hint)


def html_in(text: Text) -> list[Problem]:
    """Return the first tag or entity as a problem: phones show it as it is written."""
    found = _HTML.search(mask(text.source))
    if found is None:
        return []
    sentence = f"{found.group()[:20]} is HTML, which a phone shows as it is written"
    return [text.problem("TPL64", sentence, found.start(), len(found.group()), "write plain text")]


def unsigned(text: Text) -> Problem:
    """Return the warning about a text without a signature where carriers ask for one."""
    sentence = "carriers in China refuse a text that does not begin with the sender's name in 【】"
    return _warning(text, "TPL63", sentence, 0, hint="set `signature` under options: of the channel")


def kept_long(text: Text, url: str) -> Problem:
    """Return the warning about a link that cannot be shortened, nor its clicks be counted."""
    at = max(text.source.find(url), 0)
    sentence = "a link with a value in it is written out whole, and its clicks are not counted"
    return _warning(
        text, "TPL65", sentence, at, len(url), "take the value out, or write one link for each case"
    )


def dear(text: Text, longest: SmsText, most: int) -> list[Problem]:
    """Return warnings about signs that force UCS-2, and about more than `most` segments for long values."""
    problems = []
    segmented = longest.segmented
    if segmented.encoding == Encoding.UCS2 and _mostly_gsm(longest.text):
        named = ", ".join(f"{sign} (U+{ord(sign):04X})" for sign in segmented.offending[:5])
        at = next((text.source.find(sign) for sign in segmented.offending if sign in text.source), 0)
        sentence = (
            f"{named}: not in the alphabet of text messages, so a segment holds 70 signs instead of 160"
        )
        problems.append(_warning(text, "TPL61", sentence, at, hint="replace it"))
    if segmented.count > most:
        sentence = f"takes {segmented.count} segments where values are long; more than {most} is dear"
        problems.append(_warning(text, "TPL60", sentence, 0, hint="shorten it"))
    return problems


def _mostly_gsm(text: str) -> bool:
    """Tell whether a text is written in letters of the alphabet, so that the few others are what makes it dear."""
    letters = [sign for sign in _LINK.sub("", text) if sign.isalpha()]
    return sum(not fits_gsm(sign) for sign in letters) * 5 <= len(letters)


def _warning(text: Text, code: str, sentence: str, offset: int, length: int = 1, hint: str = "") -> Problem:
    return replace(text.problem(code, sentence, offset, length, hint), severity="warning")
