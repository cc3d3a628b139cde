"""Readers of texts, words from a closed list, whole numbers, yes and no, and names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from tidings.definitions.context import Context, did_you_mean
from tidings.definitions.currencies import CURRENCIES
from tidings.definitions.keyboard import mixed_scripts
from tidings.definitions.nodes import Node, Scalar
from tidings.definitions.quantities import reading_trap
from tidings.definitions.schema import Reader, expect_scalar
from tidings.definitions.syntax import whole_line

_NAME = re.compile(r"[^\W\d_]\w*\Z")
_FILE_NAME = re.compile(r"[^\W\d_][\w-]*\Z")
_NAME_BYTES = 60  # PostgreSQL keeps 63 bytes of a column name


def _text(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "a text")
    if scalar.plain and scalar.crowded:
        place = scalar.place
        line = context.file.lines[place.end_line - 1]
        hint = 'write the text in quotes: "… # …"'
        if place.line == place.end_line:
            hint = f"write: {whole_line(line, place.column)}"
        context.report(
            "YAM04", scalar, "what follows the # is dropped as a comment",
            f"{hint}, or put two spaces before the comment",
        )  # fmt: skip
    return unicodedata.normalize("NFC", scalar.text).strip()


TEXT = Reader(_text, "a text", {"type": ["string", "number"]})


def one_of(words: Iterable[str], says: str = "") -> Reader[str]:
    """Return a reader of a word from a closed list."""
    allowed = list(words)

    def read(node: Node, context: Context) -> str:
        listed = ", ".join(allowed)
        scalar = expect_scalar(node, context, f"one of {listed}")
        if scalar.text in allowed:
            return scalar.text
        trap = reading_trap(scalar, context)
        raise trap or context.report(
            "VAL02",
            scalar,
            f'"{scalar.text}" is not {"one of " if len(allowed) > 1 else ""}{listed}',
            did_you_mean(scalar.text, allowed, listing=False)
            or (f"write: {listed}" if len(allowed) == 1 else ""),
        )

    return Reader(read, says or f"one of {', '.join(allowed)}", {"enum": allowed})


def _flag(node: Node, context: Context) -> bool:
    scalar = expect_scalar(node, context, "true or false")
    if isinstance(scalar.value, bool):
        return scalar.value
    likely = {"yes": "true", "on": "true", "да": "true", "是": "true", "no": "false", "off": "false"}
    meant = likely.get(scalar.text.casefold(), scalar.text.casefold())
    hint = f"write: {meant}" if meant in ("true", "false") else ""
    raise context.report("VAL01", scalar, f'"{scalar.text}" is a text; here stands true or false', hint)


FLAG = Reader(_flag, "true or false", {"type": "boolean"})


def whole(low: int, high: int) -> Reader[int]:
    """Return a reader of a whole number between two limits, both included."""

    def read(node: Node, context: Context) -> int:
        says = f"a whole number from {low} to {high}"
        scalar = expect_scalar(node, context, says)
        value = scalar.value
        if not isinstance(value, int) or isinstance(value, bool):
            trap = reading_trap(scalar, context)
            raise trap or context.report("VAL01", scalar, f'"{scalar.text}" is not {says}')
        if not low <= value <= high:
            raise context.report("VAL03", scalar, f"{value} is outside the limits; write {says}")
        return value

    return Reader(
        read, f"a whole number from {low} to {high}", {"type": "integer", "minimum": low, "maximum": high}
    )


def name_fault(name: str, *, file_name: bool = False) -> tuple[str, str, str] | None:
    """Return (code, sentence, hint) for a name that cannot be one, or None."""
    mixed = mixed_scripts(name)
    if mixed:
        return "KBD02", mixed[0], f'write "{mixed[1]}"' if mixed[1] else "keep a name to one script"
    if not (_FILE_NAME if file_name else _NAME).match(name):
        signs = "letters, digits, _ and -" if file_name else "letters, digits and _"
        repaired = re.sub(r"[\W]+", "_", name).strip("_")
        good = bool((_FILE_NAME if file_name else _NAME).match(repaired))
        sentence = f'"{name}" is not a name: a name starts with a letter and has {signs}'
        return "VAL04", sentence, f"write: {repaired}" if good else ""
    if len(name.encode()) > _NAME_BYTES:
        return "VAL04", f'"{name}" is too long for a name; {_NAME_BYTES} bytes are the most', ""
    return None


def _new_name(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "a name")
    check_name(scalar, context)
    return scalar.text


def check_name(scalar: Scalar, context: Context) -> None:
    """Report a name that cannot be one."""
    fault = name_fault(scalar.text)
    if fault:
        raise context.report(fault[0], scalar, fault[1], fault[2])


NAME = Reader(_new_name, "a name of letters, digits and _", {"type": "string"})


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """Return the names of all time zones of this machine's database."""
    from zoneinfo import available_timezones

    return frozenset(available_timezones())


def _zone(node: Node, context: Context) -> str:
    from zoneinfo import ZoneInfo

    scalar = expect_scalar(node, context, "a time zone such as Europe/Stockholm")
    if re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", scalar.text):
        try:
            return ZoneInfo(scalar.text).key
        except (KeyError, ValueError, OSError):
            pass
    raise context.report(
        "VAL05", scalar, f'there is no time zone "{scalar.text}"',
        did_you_mean(scalar.text, set(zones()), listing=False) or "write it as Area/City, such as Asia/Taipei",
    )  # fmt: skip


ZONE = Reader(_zone, "a time zone such as Europe/Stockholm", {"type": "string"})


def _currency(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "a currency code such as EUR")
    if scalar.text in CURRENCIES:
        return scalar.text
    raise context.report(
        "VAL06", scalar, f'"{scalar.text}" is not a currency code of ISO 4217',
        did_you_mean(scalar.text, set(CURRENCIES), listing=False),
    )  # fmt: skip


CURRENCY = Reader(_currency, "a currency code such as EUR", {"type": "string", "pattern": "^[A-Z]{3}$"})


def matching(pattern: str, says: str, example: str) -> Reader[str]:
    """Return a reader of a text of a fixed form."""
    compiled = re.compile(pattern)

    def read(node: Node, context: Context) -> str:
        scalar = expect_scalar(node, context, says)
        if compiled.fullmatch(scalar.text):
            return scalar.text
        trap = reading_trap(scalar, context)
        raise trap or context.report(
            "VAL07", scalar, f'"{scalar.text}" is not {says}', f"write it like {example}"
        )

    return Reader(read, says, {"type": "string", "pattern": f"^{pattern}$"})


_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
LOCALE = matching(_LOCALE.pattern, "a locale", "en, ru or zh-TW")


def locale_fault(scalar: Scalar, context: Context) -> None:
    """Report a key that is no locale."""
    LOCALE.read(scalar, context)
