"""How values read in a locale: numbers, money and dates; and the filters that a template may use."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tidings.definitions.money import exponent
from tidings.templates.values import Missing, RenderError

if TYPE_CHECKING:
    from babel import Locale

MAX_LITERAL = 2000
# What plain `en` and `zh` mean where no region is given: English as it is written between countries, simplified Chinese.
_REGIONS = {"en": "en_001", "zh": "zh_Hans_CN", "no": "nb"}
_SCRIPTS = {
    "zh_tw": "zh_Hant_TW",
    "zh_hk": "zh_Hant_HK",
    "zh_mo": "zh_Hant_MO",
    "zh_cn": "zh_Hans_CN",
    "zh_sg": "zh_Hans_SG",
}
# In Taiwan's own locale the Unicode data gives a bare $, which readers of foreign shops take for US dollars.
_OWN_SIGNS = {("zh_Hant_TW", "TWD"): "NT$"}
_STYLES = ("long", "day", "short")


@lru_cache(maxsize=64)
def cldr_locale(locale: str) -> Locale:
    """Return the locale of the Unicode CLDR whose ways of writing are used for `zh-TW`, `ru-RU`, `en`; English if unknown."""
    from babel import Locale, UnknownLocaleError

    wanted = locale.replace("-", "_")
    wanted = _REGIONS.get(wanted.casefold(), _SCRIPTS.get(wanted.casefold(), wanted))
    for name in (wanted, wanted.split("_")[0], "en_001"):
        try:
            return Locale.parse(name)
        except (UnknownLocaleError, ValueError):
            continue
    raise AssertionError("the Unicode data has English")


def number_text(value: Decimal, places: int, locale: str) -> str:
    """Return a number as people of a locale write it, with that many decimal places, half to even."""
    from babel.numbers import format_decimal

    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    known = cldr_locale(locale)
    pattern = _places(str(known.decimal_formats[None].pattern), places)
    return _shown(format_decimal(rounded, format=pattern, locale=known))


def money_text(value: Decimal, currency: str, locale: str) -> str:
    """Return an amount of major units as people of a locale write it: `€1,234.50`, `1 234,50 €`.

    Its places are those of the currency (ISO 4217); a currency without a sign in the locale is shown by its code.
    """
    from babel.numbers import format_currency, get_currency_symbol

    known = cldr_locale(locale)
    places = exponent(currency)
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    pattern = _places(str(known.currency_formats["standard"].pattern), places)
    written = format_currency(rounded, currency, format=pattern, locale=known, currency_digits=False)
    sign = _OWN_SIGNS.get((str(known), currency))
    return _shown(written.replace(get_currency_symbol(currency, known), sign) if sign else written)


def _places(pattern: str, places: int) -> str:
    """Return a number pattern of the CLDR with exactly that many decimal places."""
    return re.sub(r"(?<=0)(?:\.[0#]+)?(?![0#.,])", "." + "0" * places if places else "", pattern, count=1)


@lru_cache(maxsize=8192)
def _date_text(value: date, style: str, locale: str) -> str:
    from babel.dates import format_date, format_skeleton

    known = cldr_locale(locale)
    if style == "day":
        return _shown(format_skeleton("MMMMd", value, locale=known))
    return _shown(format_date(value, "medium" if style == "short" else "long", locale=known))


def date_text(value: date, style: str, locale: str) -> str:
    """Return a date as `long` (2 March 2027), `day` (2 March) or `short` (2 Mar 2027)."""
    if style not in _STYLES:
        raise ValueError(f'a date is shown "long", "day" or "short", not "{style}"')
    # Many customers share a day, few share an amount: only dates are remembered.
    return _date_text(value.date() if isinstance(value, datetime) else value, style, locale)


def _shown(text: str) -> str:
    """Return text with the narrow no-break space as the ordinary one: old mail fonts show a box for the narrow."""
    return text.replace("\u202f", "\u00a0")


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


def filters(locale: str) -> dict[str, Callable[..., Any]]:
    """Return the allowed filters by name, bound to a locale (`ru`, `zh-TW`)."""

    def number(value: Any, places: int | None = None) -> str:
        exact = _as_decimal(value)
        if places is None:
            normal = exact.normalize()
            written = normal.as_tuple().exponent
            places = min(max(-written, 0), 6) if isinstance(written, int) else 0
        return number_text(exact, min(max(int(places), 0), 6), locale)

    def money(value: Any, currency: str) -> str:
        return money_text(_as_decimal(value), str(currency), locale)

    def day(value: Any, style: str = "long") -> str:
        if not isinstance(value, date | datetime):
            raise RenderError("date", f"{str(value)[:40]!r} is not a date")
        return date_text(value, style, locale)

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
