"""config/staff.yaml: who does the tasks that flows set."""

from __future__ import annotations

from contextlib import suppress

from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.flow import Person
from tidings.definitions.nodes import Entry, Node, Scalar
from tidings.definitions.readers import timing
from tidings.definitions.schema import Key, Keys, Reader, expect_mapping, expect_scalar, key_trap
from tidings.definitions.texts import LOCALE, TEXT, check_name, matching

_TITLE = "staff"
_EMAIL = matching(r"[^<>@\s]+@[^<>@\s]+", "an e-mail address", "chen@shop.example")


def _attribute(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "an attribute")
    found = context.vocabulary.attribute(scalar.text)
    if found is not None and found.type == "text":
        return scalar.text
    if found is not None:
        raise context.report(
            "PHR05", scalar, f'"{scalar.text}" is a {found.type}; a person is named by a text'
        )
    known = [name for name, one in context.vocabulary.attributes.items() if one and one.type == "text"]
    if scalar.text in context.vocabulary.attributes or key_trap(scalar.text, scalar, context, known):
        raise Unreadable
    hint = did_you_mean(scalar.text, known, listing=False) or "declare it in config/attributes.yaml as a text"
    raise context.report("REF04", scalar, f'no attribute "{scalar.text}"', hint)


KEYS = Keys(
    "a person",
    (
        Key("email", _EMAIL, "Where tasks go.", "email: chen@shop.example", required=True),
        Key("title", TEXT, "The name that people see.", "title: Chen Yi-ling, sales"),
        Key("locale", LOCALE, "The language of tasks.", "locale: zh-TW", default="the workspace's"),
        Key("attribute", Reader(_attribute, "an attribute", {"type": "string"}), "The attribute of a customer that names their own person; this one is asked where it names none.", "attribute: account_manager"),
        Key("workdays", timing.WEEKDAY_LIST, "The days of the week that count for `due: 2 workdays`.", "workdays: [Mon, Tue, Wed, Thu, Fri]", default="Monday to Friday"),
    ),
)  # fmt: skip


def read(node: Node, context: Context) -> dict[str, Person | None]:
    """Return every person by name; None for one that cannot be read, so that flows do not call it unknown."""
    mapping = expect_mapping(node, context, "the staff file")
    if _TITLE in mapping.entries:
        with suppress(Unreadable):
            TEXT.read(mapping.entries[_TITLE].value, context)
    found: dict[str, Person | None] = {name: None for name in mapping.entries if name != _TITLE}
    for name in found:
        with suppress(Unreadable):
            found[name] = _person(mapping.entries[name], context)
    return found


def _person(entry: Entry, context: Context) -> Person:
    check_name(entry.key, context)
    name = entry.key.text
    if isinstance(entry.value, Scalar) and entry.value.value is not None:
        return Person(name, _EMAIL.read(entry.value, context))
    values = KEYS.read(entry.value, context)
    return Person(
        name,
        values["email"],
        values.get("title", ""),
        values.get("locale", ""),
        values.get("attribute", ""),
        timing.day_numbers(values["workdays"]) if "workdays" in values else (0, 1, 2, 3, 4),
    )
