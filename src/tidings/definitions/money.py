"""Written amounts to minor units of a currency, and back."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

# Minor-unit exponents of ISO 4217 other than 2 (the standard's own list).
_EXPONENTS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}


def exponent(currency: str) -> int:
    """Return how many decimal places the minor unit of a currency has."""
    return _EXPONENTS.get(currency, 2)


def to_minor(amount: Decimal, currency: str) -> int:
    """Return an amount of major units in minor units, half to even."""
    scaled = amount.scaleb(exponent(currency))
    return int(scaled.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def from_minor(minor: int, currency: str) -> Decimal:
    """Return minor units as an exact amount of major units."""
    return Decimal(minor).scaleb(-exponent(currency))


def price_of(millionths: int, currency: str) -> Decimal:
    """Return millionths of the minor unit as an exact amount of major units."""
    return Decimal(millionths).scaleb(-exponent(currency) - 6)


def whole_minor(millionths: int) -> int:
    """Return millionths of the minor unit in whole minor units, half to even."""
    return int(Decimal(millionths).scaleb(-6).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def format_price(millionths: int, currency: str) -> str:
    """Return what one of many costs as people read it: `0.0075 USD`, with the places of the currency at least."""
    price = price_of(millionths, currency).normalize()
    places = max(exponent(currency), -int(price.as_tuple().exponent))
    return f"{price:,.{places}f} {currency}"


def format_money(minor: int, currency: str) -> str:
    """Return an amount as people read it in a terminal: `1,234.50 EUR`."""
    return f"{from_minor(minor, currency):,.{exponent(currency)}f} {currency}"
