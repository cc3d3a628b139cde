"""The products that a customer is recommended: `{% for one in recommended %} {{ one.name }} {{ one.price }} {% endfor %}`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from tidings.definitions.kinds.recommending import FIELDS, MOST, RECOMMENDED
from tidings.definitions.kinds.rules import Attribute
from tidings.templates import values
from tidings.templates.values import Missing, RenderError

TYPE = "products"
Reader = Callable[[Any], Any]
# As the store would give them: two are enough to see what stands between.
SAMPLES = [
    {
        "item": "PR-2",
        "name": "Pruning shears",
        "category": "tools",
        "price": 3_490,
        "url": "https://shop.example/pruning-shears",
        "picture": "https://shop.example/pruning-shears.png",
        "because": "Rose Gloria Dei",
    },
    {
        "item": "GL-7",
        "name": "Gardening gloves, leather",
        "category": "tools",
        "price": 1_990,
        "url": "https://shop.example/gloves",
        "picture": "https://shop.example/gloves.png",
        "because": "Rose Gloria Dei",
    },
]


class ProductsReader:
    """Reads the stored products into template data; `fields` are those that the message names."""

    def __init__(self, currency: str, fields: Collection[str] = FIELDS) -> None:
        self.fields = frozenset(fields)
        self._currency = currency
        # The zone bears on instants alone, and a product has none.
        self._readers: list[tuple[str, Reader, Missing]] = [
            (
                name,
                values.reader(
                    Attribute(f"{RECOMMENDED}.{name}", FIELDS[name], currency=currency), ZoneInfo("UTC")
                ),
                Missing(f"{RECOMMENDED}.{name}"),
            )
            for name in sorted(self.fields)
        ]

    def only(self, fields: Collection[str]) -> ProductsReader:
        """Return what reads these fields alone."""
        return ProductsReader(self._currency, fields)

    def __call__(self, given: object) -> list[dict[str, Any]]:
        """Return the products in order, none where nothing is recommended; raises RenderError for what cannot be shown."""
        if given is None:
            return []
        if not isinstance(given, Sequence) or isinstance(given, str) or len(given) > MOST:
            raise RenderError(RECOMMENDED, "is no list of products")
        return [self._product(one) for one in given]

    def _product(self, given: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, read, missing in self._readers:
            raw = given.get(name)
            found[name] = missing if raw is None or raw == "" else read(raw)
        return found


def reader(attribute: Attribute, zone: ZoneInfo) -> Reader:
    """Return what turns a stored value into template data, of products too (see `values.reader`)."""
    if attribute.type == TYPE:
        return ProductsReader(attribute.currency or "")
    return values.reader(attribute, zone)


def taken(
    used: Collection[str], readers: Mapping[str, Reader]
) -> tuple[ProductsReader | None, dict[str, Reader]]:
    """Return what reads the products of a message that names them, else None, and the readers of all other values."""
    found = readers.get(RECOMMENDED)
    if not isinstance(found, ProductsReader):
        return None, dict(readers)
    rest = {name: one for name, one in readers.items() if name != RECOMMENDED}
    if RECOMMENDED not in used:
        return None, rest
    start = f"{RECOMMENDED}."
    return found.only([one.removeprefix(start) for one in used if one.startswith(start)]), rest


def types() -> dict[str, str]:
    """Return the types of what a template may read of a product, under names that nobody can write."""
    return {f"{RECOMMENDED}.{name}": kind for name, kind in FIELDS.items()}


def samples(fields: Collection[str]) -> list[dict[str, Any]]:
    """Return made-up products with these fields."""
    return [{name: one[name] for name in sorted(fields)} for one in SAMPLES]
