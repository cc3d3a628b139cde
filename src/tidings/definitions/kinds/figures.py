"""How a file writes its numbers, and the tax that its amounts hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from tidings.definitions.values import Share

# Signs that stand for the one that a mapping names: exports use no-break spaces and typographic apostrophes.
_ALIKE = {" ": " \u00a0\u2007\u2009\u202f", "'": "'\u2019"}
_WHOLE = re.compile(r"[+-]?[0-9]*\Z")
_DIGITS = re.compile(r"[0-9]*\Z")


@dataclass(frozen=True, slots=True)
class NumberForm:
    """How numbers are written: `group` stands between thousands ("" where nothing does), `decimal` before the decimals."""

    group: str
    decimal: str

    def __str__(self) -> str:
        """Return the number 1234.56 in this form."""
        return f"1{self.group}234{self.decimal}56"

    def read(self, text: str) -> Decimal | None:
        """Return the number that a text writes in this form, exactly; None for one that is written otherwise.

        Thousands may be left ungrouped; a group of other than three digits is no number, for it may be a decimal.
        """
        whole, _, decimals = text.strip().replace("\u2212", "-").partition(self.decimal)
        if self.group:
            parts = re.split(f"[{re.escape(_ALIKE.get(self.group, self.group))}]", whole)
            if len(parts) > 1 and not (
                1 <= len(parts[0].lstrip("+-")) <= 3 and all(len(part) == 3 for part in parts[1:])
            ):
                return None
            whole = "".join(parts)
        if not (_WHOLE.match(whole) and _DIGITS.match(decimals)) or not (whole.lstrip("+-") or decimals):
            return None
        return Decimal(f"{whole}.{decimals}" if decimals else whole)


# Every form that a mapping can name, by how it writes 1234.56.
NUMBER_FORMS = {
    str(form): form
    for form in (
        NumberForm("", "."),
        NumberForm("", ","),
        NumberForm(" ", ","),
        NumberForm(".", ","),
        NumberForm(",", "."),
        NumberForm(" ", "."),
        NumberForm("'", "."),
    )
}


@dataclass(frozen=True, slots=True)
class Vat:
    """The tax in amounts of money: they include this share on top of the net amount, or none at all (`included` None)."""

    included: Share | None = None

    def net(self, amount: Decimal) -> Decimal:
        """Return an amount without the tax, unrounded."""
        if self.included is None:
            return amount
        return amount * 10_000 / (10_000 + self.included.basis_points)
