"""config/attributes.yaml: what is known about a customer, and of what type it is."""

from __future__ import annotations

from tidings.definitions.context import Context, Unreadable
from tidings.definitions.kinds.rules import FIXED_COLUMNS, Attribute
from tidings.definitions.nodes import Entry, Node, Scalar
from tidings.definitions.quantities import NUMBER_VALUE
from tidings.definitions.schema import Key, Keys, expect_mapping, list_of
from tidings.definitions.selecting import CONDITION_WORDS
from tidings.definitions.texts import CURRENCY, FLAG, NAME, TEXT, check_name, one_of

TYPES = ("text", "number", "money", "date", "instant", "flag", "list")
_TYPE = one_of(TYPES)
_TITLE = "attributes"
KEYS = Keys(
    "an attribute",
    (
        Key("type", _TYPE, "What kind of value: `instant` is a date with an hour, `flag` is true or false, `list` is several texts.", "type: text", required=True),
        Key("title", TEXT, "The name that people see.", "title: Full name"),
        Key("currency", CURRENCY, "The currency of a money attribute; else the workspace's.", "currency: EUR"),
        Key("values", list_of(TEXT, '"values"'), "Closes a text or a list to these values.", "values: [basic, silver, gold]"),
        Key("lowest", NUMBER_VALUE, "The lowest number that is taken.", "lowest: 0"),
        Key("highest", NUMBER_VALUE, "The highest number that is taken.", "highest: 100"),
        Key("history", FLAG, "Keeps every change with its time.", "history: true", default="false"),
        Key("was", NAME, "Its name before it was renamed.", "was: name"),
        Key("personal", one_of(["erase", "hash", "keep"]), "What erasing a customer does with it.", "personal: erase", default="keep"),
    ),
    later=frozenset({"from", "unit", "score"}),
)  # fmt: skip
# A key that needs one of some types.
_BELONGS = {
    "currency": ("money",),
    "values": ("text", "list"),
    "lowest": ("number",),
    "highest": ("number",),
}


def read(node: Node, context: Context) -> dict[str, Attribute | None]:
    """Return every attribute by name; None for one that cannot be read, so that others do not call it unknown."""
    mapping = expect_mapping(node, context, "the attributes file")
    found: dict[str, Attribute | None] = {}
    for name, entry in mapping.entries.items():
        try:
            if name == _TITLE:
                TEXT.read(entry.value, context)
            else:
                found[name] = None
                found[name] = _attribute(entry, context)
        except Unreadable:
            continue
    _renamed_twice(found, mapping.entries, context)
    return found


def _attribute(entry: Entry, context: Context) -> Attribute:
    name = entry.key.text
    check_name(entry.key, context)
    if name in FIXED_COLUMNS or name == "id":
        raise context.report(
            "REF12",
            entry.key,
            f'"{name}" is there for every customer already',
            "delete it here, or call yours otherwise",
        )
    if name in CONDITION_WORDS:
        raise context.report(
            "VAL04", entry.key, f'"{name}" is a word of conditions; call the attribute otherwise'
        )
    if name.casefold() == "customer_id":
        raise context.report(
            "VAL04", entry.key, f'"{name}" is kept for the store; call the attribute otherwise'
        )
    if isinstance(entry.value, Scalar) and entry.value.value is not None:
        kind = _TYPE.read(entry.value, context)
        return Attribute(name, kind, currency=_currency(kind, None, context))
    values = KEYS.read(entry.value, context)
    mapping = expect_mapping(entry.value, context, KEYS.what)
    kind = values["type"]
    for key, kinds in _BELONGS.items():
        if key in values and kind not in kinds:
            raise context.report(
                "KEY07",
                mapping.entries[key].key,
                f'"{key}" is for {" and ".join(kinds)}, and "{name}" is {kind}',
            )
    lowest, highest = values.get("lowest"), values.get("highest")
    if lowest is not None and highest is not None and lowest > highest:
        raise context.report(
            "PHR08", mapping.entries["highest"].value, f"{highest} is below the lowest, {lowest}"
        )
    return Attribute(
        name=name,
        type=kind,
        title=values.get("title", ""),
        currency=_currency(kind, values.get("currency"), context),
        values=tuple(dict.fromkeys(values.get("values", ()))),
        lowest=lowest,
        highest=highest,
        history=values.get("history", False),
        was=values.get("was"),
        personal=values.get("personal", "keep"),
    )


def _currency(kind: str, written: str | None, context: Context) -> str | None:
    return written or context.vocabulary.currency if kind == "money" else None


def _renamed_twice(found: dict[str, Attribute | None], entries: dict[str, Entry], context: Context) -> None:
    """Report a `was` that another attribute has or claims: the rename would lose values."""
    claimed: dict[str, str] = {}
    for name, attribute in found.items():
        if attribute is None or attribute.was is None:
            continue
        if attribute.was in found or attribute.was in claimed:
            other = attribute.was if attribute.was in found else claimed[attribute.was]
            context.report(
                "REF12",
                entries[name].key,
                f'"{name}" was "{attribute.was}", but "{other}" is still here or was it too',
            )
            found[name] = None
        claimed[attribute.was] = name
