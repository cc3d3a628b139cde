"""How values read in a locale: numbers, money and dates; and the filters that a template may use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from urllib.parse import quote

from tidings.definitions.money import exponent
from tidings.templates.values import Missing, RenderError

_NBSP = "\u00a0"
# Group and decimal separators by language, after the Unicode CLDR number symbols; others read as English.
_SEPARATORS = {
    "de": (".", ","),
    "es": (".", ","),
    "it": (".", ","),
    "nl": (".", ","),
    "pt": (".", ","),
    "fr": ("\u202f", ","),
    "da": (".", ","),
    "fi": (_NBSP, ","),
    "nb": (_NBSP, ","),
    "pl": (_NBSP, ","),
    "ru": (_NBSP, ","),
    "sv": (_NBSP, ","),
    "uk": (_NBSP, ","),
}
_SIGNS = {
    "EUR": "€",
    "USD": "$",
    "GBP": "£",
    "RUB": "₽",
    "TWD": "NT$",
    "CNY": "¥",
    "JPY": "¥",
    "SEK": "kr",
    "PLN": "zł",
}
_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
    "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
}
_LONG = {"de": "{d}. {m} {y}", "ru": "{d} {m} {y} г."}
_DAY = {"de": "{d}. {m}"}
_EAST_ASIAN = ("zh", "ja")
MAX_LITERAL = 2000


def number_text(value: Decimal, places: int, language: str) -> str:
    """Return a number with the separators of a language and that many decimal places, half to even."""
    group, point = _SEPARATORS.get(language, (",", "."))
    plain = f"{value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN):,f}"
    return plain.replace(",", "\x00").replace(".", point).replace("\x00", group)


def money_text(value: Decimal, currency: str, language: str) -> str:
    """Return an amount of major units as people of a language write it: `€1,234.50`, `1 234,50 €`."""
    amount = number_text(abs(value), exponent(currency), language)
    minus = "−" if value < 0 else ""
    sign = _SIGNS.get(currency)
    if sign is None or sign == "kr" or language in _SEPARATORS:
        return f"{minus}{amount}{_NBSP}{sign or currency}"
    return f"{minus}{sign}{amount}"


def date_text(value: date, style: str, language: str) -> str:
    """Return a date as `long` (2 March 2027), `day` (2 March) or `short` (2027-03-02)."""
    if style not in ("long", "day", "short"):
        raise ValueError(f'a date is shown "long", "day" or "short", not "{style}"')
    if language in _EAST_ASIAN and style != "short":
        return (
            f"{value.year}年{value.month}月{value.day}日"
            if style == "long"
            else f"{value.month}月{value.day}日"
        )
    months = _MONTHS.get(language)
    if style == "short" or months is None:
        return value.isoformat()[:10]
    pattern = _LONG.get(language, "{d} {m} {y}") if style == "long" else _DAY.get(language, "{d} {m}")
    return pattern.format(d=value.day, m=months.split()[value.month - 1], y=value.year)


def _as_decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise RenderError("number", f"{str(value)[:40]!r} is not a number")
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _upper(value: Any) -> str:
    return str(value).upper()


def _lower(value: Any) -> str:
    return str(value).lower()


def _title(value: Any) -> str:
    # str.title() would write "O'Neil" as "O'Neil" but "don't" as "Don'T"; words are what people mean.
    return " ".join(word[:1].upper() + word[1:] for word in str(value).split(" "))


def _join(value: Any, between: str = ", ") -> str:
    return str(between).join([value] if isinstance(value, str) else [str(item) for item in value])


def _round(value: Any, places: int = 0) -> Decimal:
    return _as_decimal(value).quantize(
        Decimal(1).scaleb(-min(max(int(places), 0), 6)), rounding=ROUND_HALF_EVEN
    )


def _urlquote(value: Any) -> str:
    return quote(str(value), safe="")


def _first(value: Any) -> Any:
    return next(iter(value), Missing("list"))


def _default(value: Any, other: Any = "") -> Any:
    return other if isinstance(value, Missing) or value == "" else value


def _length(value: Any) -> int:
    return len(value)


def _passing(convert: Callable[..., Any]) -> Callable[..., Any]:
    """Let an unknown value through, so that `{{ full_name | upper or "FRIEND" }}` still falls back."""

    def apply(value: Any, *arguments: Any) -> Any:
        return value if isinstance(value, Missing) else convert(value, *arguments)

    return apply


# Name: (most arguments, sentence for the reference).
FILTERS: dict[str, tuple[int, str]] = {
    "upper": (0, "in capitals"),
    "lower": (0, "in small letters"),
    "title": (0, "each word with a capital"),
    "default": (1, "another text when the value is unknown or empty"),
    "join": (1, "the entries of a list with a text between them"),
    "first": (0, "the first entry of a list"),
    "length": (0, "how many entries or letters"),
    "round": (1, "rounded to that many places, half to even"),
    "number": (1, "a number with the separators of the locale"),
    "money": (1, "an amount with its currency; give the code when the value has none"),
    "date": (1, 'a date as "long", "day" or "short"'),
    "urlquote": (0, "fit to stand inside a link (done by itself in links)"),
}


def filters(language: str) -> dict[str, Callable[..., Any]]:
    """Return the allowed filters by name, bound to a language (`ru`, `zh`)."""

    def number(value: Any, places: int | None = None) -> str:
        exact = _as_decimal(value)
        if places is None:
            normal = exact.normalize()
            written = normal.as_tuple().exponent
            places = min(max(-written, 0), 6) if isinstance(written, int) else 0
        return number_text(exact, min(max(int(places), 0), 6), language)

    def money(value: Any, currency: str) -> str:
        return money_text(_as_decimal(value), str(currency), language)

    def day(value: Any, style: str = "long") -> str:
        if not isinstance(value, date | datetime):
            raise RenderError("date", f"{str(value)[:40]!r} is not a date")
        return date_text(value, style, language)

    made: dict[str, Callable[..., Any]] = {
        "upper": _upper,
        "lower": _lower,
        "title": _title,
        "join": _join,
        "first": _first,
        "round": _round,
        "number": number,
        "money": money,
        "date": day,
        "urlquote": _urlquote,
    }
    return {name: _passing(convert) for name, convert in made.items()} | {
        "default": _default,
        "length": _length,
    }
