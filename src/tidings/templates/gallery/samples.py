"""A believable customer of each locale, so that a message can be looked at before there is anybody to write to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from tidings.definitions.kinds.recommending import RECOMMENDED
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.templates import group, products

# By language: what people of our users' countries are called and live in.
_PEOPLE: dict[str, dict[str, str]] = {
    "en": {"full_name": "Anna Berg", "first_name": "Anna", "last_name": "Berg", "gender": "female", "country": "SE"},
    "de": {"full_name": "Greta Vogel", "first_name": "Greta", "last_name": "Vogel", "gender": "female", "country": "DE"},
    "ru": {"full_name": "Анна Сергеевна Ильина", "first_name": "Анна", "patronymic": "Сергеевна", "last_name": "Ильина", "gender": "female", "country": "RU"},
    "zh-TW": {"full_name": "王怡君", "first_name": "怡君", "last_name": "王", "gender": "female", "country": "TW"},
    "zh-CN": {"full_name": "李秀英", "first_name": "秀英", "last_name": "李", "gender": "female", "country": "CN"},
}  # fmt: skip
ADDRESSES = {"email": "anna@customer.example", "sms": "+46700000001", "fax": "+4680000001"}
# Long enough ago to be somebody's last order: 18 May 2026, ten o'clock in Stockholm, as a day and in microseconds.
_DAY, _INSTANT, _BIRTHDAY = "2026-05-18", 1_779_091_200_000_000, "1984-05-18"


def sample_values(
    attributes: Attributes,
    names: Iterable[str],
    locale: str,
    group_names: Iterable[str] | None = None,
    product_fields: Collection[str] | None = None,
) -> dict[str, Any]:
    """Return an example value for each name, in the form in which the store would give it.

    `group_names`: those of the members of an account, who are then in `group`; None for a message without one.
    `product_fields`: those of the products that it recommends; None where it recommends none.
    """
    person = _PEOPLE.get(locale) or _PEOPLE.get(locale.partition("-")[0]) or _PEOPLE["en"]
    fixed = {
        "locale": locale,
        "zone": "Europe/Stockholm",
        "account": "Garden House",
        **ADDRESSES,
        "key": "C-1",
    }
    values: dict[str, Any] = {}
    for name in names:
        attribute = attributes.get(name)
        if name in person:
            values[name] = person[name]
        elif attribute is not None:
            values[name] = _example(attribute)
        else:
            values[name] = fixed.get("sms" if name == "phone" else name, name)
    if group_names is not None:
        wanted = list(group_names)
        values[group.NAME] = group.samples(wanted, sample_values(attributes, wanted, locale))
    if product_fields is not None:
        values[RECOMMENDED] = products.samples(product_fields)
    return values


def _example(attribute: Attribute) -> Any:
    """Return a value of the attribute's type, within its bounds."""
    if attribute.type == "list":
        return list(attribute.values[:2]) or ["garden", "tools"]
    if attribute.values:
        return attribute.values[-1]
    if attribute.type in ("number", "money"):
        low = attribute.lowest if attribute.lowest is not None else 3
        number = int(max(low, 3))
        return number if attribute.type == "number" else max(number, 1) * 8_250
    if attribute.type == "date" and "birth" in attribute.name:
        return _BIRTHDAY
    return {"date": _DAY, "instant": _INSTANT, "flag": True}.get(
        attribute.type, attribute.title or attribute.name
    )
