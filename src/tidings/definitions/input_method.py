"""Lines typed with a Chinese or Japanese input method switched on: `segment：台灣會員`, `　－　country：［TW，HK］`.

YAML sees no key and no list in them, only text, and reads the whole file as one long word. What stands where YAML
has its own signs is made plain here; texts keep every sign of their language.
"""

from __future__ import annotations

import re

from tidings.definitions.keyboard import FULL_WIDTH, plain_signs
from tidings.definitions.syntax import Trap, quoted

# An ideographic space is as wide as two letters, so that lines which looked aligned stay aligned.
_WIDE_SPACES = str.maketrans({"　": "  ", "\u00a0": " ", "\u2007": " ", "\u202f": " "})
_LEAD = re.compile(
    r"(?P<indent>[ \u3000\u00a0\u2007\u202f]*)(?P<dashes>(?:-[ \u3000\u00a0]+|－[ \u3000\u00a0]*)*)"
)
_KEY = re.compile(r"(?P<key>[^\W\d]\w*)[ \u3000]*(?P<colon>：[ \u3000]*|:(?=[ \u3000]|$)[ \u3000]*)")
_COMMENT = re.compile(r"(?P<gap>[ \u3000\u00a0]+)[#＃](?=[\s\u3000#＃]|$)")
_QUOTES = {"“": "”", "”": "”", "„": "”", "「": "」", "＂": "＂", "«": "»", "‘": "’", '"': '"', "'": "'"}
_BRACKETS = {"[": "]", "［": "］", "{": "}", "｛": "｝", "【": "】"}
_CLOSING = "".join(_BRACKETS.values())
_RESERVED = re.compile(r":\s|\s#|^[!@*&%`]")
_LONGEST = 1_000  # no author writes longer lines


def plain_lines(lines: list[str]) -> list[Trap]:
    """Return a trap for each line whose structure is written in full-width signs, with the line as it was meant.

    Comments and the lines of a text after `|` or `>` are left alone but for the sign that starts a comment.
    """
    found = []
    inside: int | None = None
    for number, line in enumerate(lines, start=1):
        indent = len(_LEAD.match(line)["indent"].translate(_WIDE_SPACES))  # type: ignore[index]
        if inside is not None and line.strip() and indent <= inside:
            inside = None
        if inside is not None or len(line) > _LONGEST or not line.strip():
            continue
        repaired, at = plain_line(line)
        if re.search(r":\s*[|>][+-]?\s*(?:#.*)?$", repaired):
            inside = indent
        if repaired != line:
            found.append(_trap(line, number, at, repaired))
    return found


def plain_line(line: str) -> tuple[str, int]:
    """Return a line with plain signs where YAML has its own, and the index of the first sign that was not plain."""
    lead = _LEAD.match(line)
    assert lead is not None
    start = lead["indent"].translate(_WIDE_SPACES) + re.sub(r"[-－][ \u3000\u00a0]*", "- ", lead["dashes"])
    rest = line[lead.end() :]
    if rest[:1] in ("＃", "#"):
        repaired = start + "#" + rest[1:]
        return repaired, _first_difference(line, repaired)
    key = _KEY.match(rest)
    if key:
        start += f"{key['key']}: "
        rest = rest[key.end() :]
    elif not lead["dashes"]:
        # Without a key and a dash it goes on with the text above it.
        return start + rest, _first_difference(line, start)
    value, comment = _parted(rest)
    repaired = (start + _value(value)).rstrip() + comment
    return repaired, _first_difference(line, repaired)


def _first_difference(line: str, repaired: str) -> int:
    pairs = zip(line, repaired, strict=False)
    return next(
        (index for index, (old, new) in enumerate(pairs) if old != new), min(len(line), len(repaired))
    )


def _trap(line: str, number: int, at: int, repaired: str) -> Trap:
    sign = line[at : at + 1]
    hint = f"write: {repaired.strip()}"
    if sign == "：":
        message = "this is the full-width colon ： ; write : and a space"
    elif sign == "　":
        message = "this is the full-width space; write plain spaces"
    elif sign in FULL_WIDTH:
        message = f"this is the full-width sign {sign} ; write {FULL_WIDTH[sign]}"
    else:
        message = "this line is written in full-width signs"
    return Trap("KBD01", number, at + 1, 1, message, hint, repaired)


def _parted(rest: str) -> tuple[str, str]:
    """Return the value and the comment after it, its gap and its # made plain; signs in quotes start no comment."""
    value = rest.rstrip(" \u3000")
    closing = _QUOTES.get(value[:1])
    after = value.find(closing, 1) + 1 if closing else 0
    match = _COMMENT.search(rest, after)
    if match is None:
        return value.strip(" \u3000"), ""
    gap = match["gap"].translate(_WIDE_SPACES)
    return rest[: match.start()].strip(" \u3000"), f"{gap}#{rest[match.end() :]}"


def _value(value: str) -> str:
    """Return a value as it was meant: a list or a phrase in plain signs, a text with its own."""
    first, last = value[:1], value[-1:]
    if len(value) > 1 and _QUOTES.get(first) == last and first not in "\"'":
        return quoted(value[1:-1])
    inner = value[1:-1]
    if _BRACKETS.get(first) == last and (first != "【" or "，" in inner or inner.isascii()):
        return _flow(value)
    plain = plain_signs(value)
    if plain.isascii():
        return re.sub(r"(?<=[0-9]) +(?=%)", "", plain)
    return quoted(value) if value != plain and _RESERVED.search(value) and first not in "\"'" else value


def _flow(value: str) -> str:
    """Return a list in brackets or keys in braces with plain signs; what stands in quotes keeps its own."""
    out: list[str] = []
    index = 0
    while index < len(value):
        sign = value[index]
        closing = _QUOTES.get(sign)
        end = value.find(closing, index + 1) if closing else -1
        if end > 0:
            out.append(value[index : end + 1] if sign in "\"'" else quoted(value[index + 1 : end]))
            index = end + 1
            continue
        if sign in "，、,":
            out.append(", ")
        elif sign == "：":
            out.append(": ")
        elif sign in _BRACKETS or sign in _CLOSING:
            out.append(plain_signs(sign))
        elif sign in " \u3000" and out and out[-1].endswith(" "):
            pass
        else:
            out.append(plain_signs(sign) if sign in FULL_WIDTH else sign)
        index += 1
    return "".join(out)
