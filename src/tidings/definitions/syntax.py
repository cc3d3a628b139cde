"""YAML's own errors in our words, with the line to paste (decisions D26-D28)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tidings.definitions.keyboard import plain_signs

_LINE = re.compile(r"^(?P<lead>\s*(?:-\s+)*)(?P<key>[^\s:#\"'{\[\]}][^:#\"]*?)\s*:\s+(?P<value>\S.*?)\s*$")
_ITEM = re.compile(r"^(?P<lead>\s*(?:-\s+)+)(?P<value>\S.*?)\s*$")
_NO_SPACE = re.compile(r"^(?P<lead>\s*(?:-\s+)*)(?P<key>[^\W\d]\w*):(?P<value>[^\s/:].*)$")
_WIDE_COLON = re.compile(r"^(?P<lead>\s*(?:-\s+)*)(?P<key>[^\s：:#][^：:#]*?)\s*：\s*(?P<value>.*)$")
_OPERATOR = re.compile(r"^(?P<sign>>=|=>|>|<=|=<|<|==|=)\s*(?P<number>-?[\d.].*)$")
_WORDS = {
    ">=": "at least",
    "=>": "at least",
    ">": "more than",
    "<=": "at most",
    "=<": "at most",
    "<": "less than",
    "==": "",
    "=": "",
}
_BARE = re.compile(r"[^\W\d][\w ,.()/<>@-]*(?<! )\Z")
_SWALLOWED = re.compile(r"(?:\"[^\"]*\"|'[^']*'|[^\"'#]|(?<=\S)#)*\s(?P<comment>#\S.*)\Z")
_RESERVED = "!@*&%`"
_LONGEST = 1_000  # no author writes longer lines, and the patterns here are not made for them


@dataclass(frozen=True, slots=True)
class Trap:
    """What is wrong with a line, and the line as it was probably meant (None when that is not plain)."""

    code: str
    line: int
    column: int
    length: int
    message: str
    hint: str = ""
    repaired: str | None = None


def operator_in_words(text: str) -> str | None:
    """Return the phrase for `>= 250` and its like, or None."""
    match = _OPERATOR.match(text)
    return f"{_WORDS[match['sign']]} {match['number']}".strip() if match else None


def quoted(text: str) -> str:
    """Return a text in the quotes that YAML reads back exactly."""
    if '"' in text and "'" not in text:
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def whole_line(line: str, column: int) -> str:
    """Return a line with all that stands from a column on in quotes, ready to be pasted."""
    return f"{line[: column - 1]}{quoted(line[column - 1 :].rstrip())}".strip()


def spelled(text: str) -> str:
    """Return a text as YAML needs it: bare where that is safe, else in quotes."""
    safe = _BARE.match(text) and text not in ("true", "false", "null")
    return text if safe else quoted(text)


def explain(lines: list[str], error: Exception) -> Trap:
    """Find what the author did on the line that YAML stumbled over, or just before it."""
    at = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = min(at.line, len(lines) - 1) + 1 if at else 1
    what = f"{getattr(error, 'context', '') or ''} {getattr(error, 'problem', '') or ''}"
    for number in _candidates(lines, line):
        trap = _trap_on(lines[number - 1], number)
        if trap:
            return trap
    return _plain_error(lines, line, at.column + 1 if at else 1, what, getattr(error, "context_mark", None))


def _candidates(lines: list[str], line: int) -> list[int]:
    """Return the line of the error and the one with content before it."""
    before = next((number for number in range(line - 1, 0, -1) if lines[number - 1].strip()), None)
    return [number for number in (line, before) if number and number <= len(lines)]


def _trap_on(text: str, number: int) -> Trap | None:
    if len(text) > _LONGEST:
        return None
    stripped = text.lstrip(" ")
    indent = len(text) - len(stripped)
    if stripped.startswith("\t") and stripped.strip():
        width = len(stripped) - len(stripped.lstrip("\t "))
        repaired = " " * indent + stripped[:width].replace("\t", "  ") + stripped[width:]
        return Trap(
            "YAM09", number, indent + 1, width, "this line is indented with a tab", "use spaces", repaired
        )
    if stripped.startswith("#"):
        return None
    tab = re.search(r"(?<=[:-])[ \t]*\t[ \t]*", text)
    if tab:
        repaired = f"{text[: tab.start()]} {text[tab.end() :]}"
        return Trap("YAM09", number, tab.start() + 1, 1, "a tab stands here", "write a space", repaired)
    match = _WIDE_COLON.match(text)
    if match and not re.search(r":(\s|$)", text):
        repaired = f"{match['lead']}{match['key']}: {_meant(match['value'])}".rstrip()
        return Trap(
            "KBD01",
            number,
            text.index("：") + 1,
            1,
            "this is the full-width colon ： ; write : and a space",
            f"write: {repaired.strip()}",
            repaired,
        )
    match = _LINE.match(text) or _ITEM.match(text)
    if match:
        trap = _value_trap(text, number, match["value"], match.start("value"))
        if trap:
            return trap
    match = _NO_SPACE.match(text)
    if match:
        repaired = f"{match['lead']}{match['key']}: {match['value']}"
        return Trap(
            "YAM12",
            number,
            match.start("value"),
            1,
            "a space is missing after the colon",
            f"write: {repaired.strip()}",
            repaired,
        )
    return None


def _value_trap(text: str, number: int, value: str, start: int) -> Trap | None:
    head, bare = text[:start], _without_comment(value)
    words = operator_in_words(bare)
    if words and bare[0] == ">":
        return Trap(
            "YAM11",
            number,
            start + 1,
            len(bare),
            f'"{bare}" cannot be read; write words',
            f"write: {words}",
            head + words,
        )
    if bare[0] in _RESERVED:
        repaired = head + quoted(bare)
        return Trap(
            "YAM03",
            number,
            start + 1,
            1,
            f"a text that starts with {bare[0]} stands in quotes",
            f"write: {repaired.strip()}",
            repaired,
        )
    if bare[0] not in "\"'[{|>" and re.search(r":(\s|$)", bare):
        repaired = head + quoted(bare)
        return Trap(
            "YAM02",
            number,
            start + 1 + bare.index(":"),
            1,
            "a text with a colon in it stands in quotes",
            f"write: {repaired.strip()}",
            repaired,
        )
    if bare[0] in "\"'":
        end = _closing_quote(bare)
        if end and bare[end:].strip():
            repaired = head + quoted(bare.replace(bare[0], "").strip())
            return Trap(
                "YAM10",
                number,
                start + 1 + end,
                max(len(bare[end:]), 1),
                "something follows the closing quote",
                "put the quotes around the whole text",
                repaired,
            )
    return None


def _plain_error(lines: list[str], line: int, column: int, what: str, opened: Any) -> Trap:
    """Return our sentence for an error whose cause does not show on the line itself."""
    if "quoted scalar" in what and opened is not None:
        return Trap("YAM10", opened.line + 1, opened.column + 1, 1, "this quote is never closed")
    if ("flow sequence" in what or "flow mapping" in what) and opened is not None:
        opener = lines[opened.line][opened.column : opened.column + 1] if opened.line < len(lines) else "["
        closer = "}" if opener == "{" else "]"
        text = lines[opened.line] if opened.line < len(lines) else ""
        comment = _SWALLOWED.match(text, opened.column)
        if comment:
            hint = f"put the text with # in it in quotes, and the {closer} after it"
            return Trap(
                "YAM04",
                opened.line + 1,
                comment.start("comment") + 1,
                len(comment["comment"]),
                f"YAML takes this for a comment and drops it, so the {opener} before it is never closed",
                hint,
            )
        wide = any(sign in text for sign in "，、］｝】")
        hint = "write the plain signs , and ]" if wide else f"close it with {closer} on the same line"
        return Trap(
            "YAM10", opened.line + 1, opened.column + 1, 1, f"the {opener} here is never closed", hint
        )
    unclosed = _unclosed(lines)
    if unclosed and ("node content" in what or "flow" in what):
        return unclosed
    if "escape" in what:
        return Trap("YAM10", line, column, 1, "\\ has a meaning inside double quotes", "use 'single quotes'")
    text = lines[line - 1] if line <= len(lines) else ""
    content = text.strip()
    if "could not find expected ':'" in what and content:
        culprit = next(
            (n for n in _candidates(lines, line)[::-1] if ":" not in lines[n - 1] and lines[n - 1].strip()),
            line,
        )
        start = len(lines[culprit - 1]) - len(lines[culprit - 1].lstrip())
        return Trap(
            "YAM01",
            culprit,
            start + 1,
            len(lines[culprit - 1].strip()) or 1,
            "this line has no key and colon",
        )
    if "expected key" in what or "expected '-'" in what or "mapping values" in what or "block" in what:
        start = len(text) - len(text.lstrip())
        return Trap(
            "YAM01",
            line,
            start + 1,
            max(len(content), 1),
            "this line does not fit the indentation of the lines above it",
            "give it as many spaces in front as its neighbours have",
        )
    if "cannot start any token" in what and column <= len(text):
        sign = text[column - 1]
        return Trap("YAM03", line, column, 1, f"a text that starts with {sign} stands in quotes")
    return Trap("YAM01", line, column, 1, "YAML cannot read this line", "put texts in quotes")


def _unclosed(lines: list[str]) -> Trap | None:
    """Return a trap at the last bracket of the file that is never closed, as far as plain lines tell."""
    opened: list[tuple[int, int, str]] = []
    for number, line in enumerate(lines, start=1):
        for column, sign in enumerate(re.sub(r"(^|\s)#.*$", "", line), start=1):
            if sign in "[{":
                opened.append((number, column, sign))
            elif sign in "]}" and opened:
                opened.pop()
    if not opened:
        return None
    number, column, sign = opened[-1]
    return Trap("YAM10", number, column, 1, f"the {sign} here is never closed", "close it on the same line")


def _without_comment(value: str) -> str:
    if value[:1] in ("'", '"'):
        end = _closing_quote(value)
        return (
            re.sub(r"\s+#\s.*$", "", value)
            if end is None
            else value[:end] + re.sub(r"\s#.*$", "", value[end:])
        )
    return re.sub(r"\s{2,}#\s.*$", "", value).rstrip()


def _closing_quote(value: str) -> int | None:
    """Return the index after the quote that closes a value, or None."""
    match = re.match(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'', value)
    return match.end() if match else None


def _meant(value: str) -> str:
    """Return a value with plain signs where it is no sentence of a language that writes full-width ones."""
    plain = plain_signs(value)
    return plain if plain.isascii() else quoted(value) if re.search(r"[:#]\s|^[!@*&%`]", value) else value
