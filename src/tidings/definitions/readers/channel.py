"""channels/*.yaml: an adapter bound to a sender, a rate and the names of its secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from tidings.definitions.context import Context
from tidings.definitions.iso_countries import COUNTRIES
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.nodes import Entry, Mapping, Node, Scalar
from tidings.definitions.quantities import DURATION, read_price, reading_trap
from tidings.definitions.schema import Key, Keys, Reader, each_entry, expect_mapping, expect_scalar, list_of
from tidings.definitions.source import is_variable_name, looks_secret
from tidings.definitions.texts import NAME, TEXT, check_name, matching, one_of, whole
from tidings.definitions.values import Money, Price
from tidings.errors import Position

Option = str | int | Decimal | bool
_RATE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?) (?:per|a|an) (second|minute|hour)\Z")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
KINDS = ("email", "sms", "fax", "call", "letter")
# What is paid for, and the kind of channel that has such parts.
COST_UNITS = {"message": "", "segment": "sms", "page": "fax"}
# Kinds that people carry out, from the files that the outbox writes.
_BY_HAND = ("call", "letter")
_ADDRESS = re.compile(r"(?:[^<>\r\n]{1,120} <[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)\Z")


_HOST = matching(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", "a host in small letters", "shop.example")


def _rate(node: Node, context: Context) -> Decimal:
    scalar = expect_scalar(node, context, "a rate such as 10 per second")
    match = _RATE.match(scalar.text)
    if match and Decimal(match[1]) > 0:
        return Decimal(match[1]) / _SECONDS[match[2]]
    trap = reading_trap(scalar, context)
    raise trap or context.report(
        "PHR02", scalar, f'"{scalar.text}" is not a rate; write such as 10 per second or 600 per minute'
    )


def _cost(node: Node, context: Context) -> tuple[Money | Price, str]:
    """Read `0.05 EUR per segment`: an amount and what it is for; without a unit it is for a message."""
    scalar = expect_scalar(node, context, "an amount such as 0.05 EUR per segment")
    amount, found, unit = scalar.text.partition(" per ")
    if found and unit not in COST_UNITS:
        raise context.report(
            "PHR05", scalar, f'"{unit}" is nothing that a channel is paid by', f"write per {', per '.join(COST_UNITS)}"
        )  # fmt: skip
    price = read_price(Scalar(scalar.place, amount, scalar.plain, scalar.crowded), context)
    return price, unit or "message"


def _address(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "an address")
    text = TEXT.read(scalar, context)
    if "@" in text and not _ADDRESS.match(text):
        raise context.report(
            "VAL07",
            scalar,
            f'"{text}" is not an e-mail address',
            "write hello@shop.example or Shop <hello@shop.example>",
        )
    return text


def _option(entry: Entry, context: Context) -> tuple[str, Option]:
    check_name(entry.key, context)
    name = entry.key.text
    scalar = expect_scalar(entry.value, context, "one value")
    if looks_secret(name, scalar.text):
        raise context.report(
            "SEC01", entry.key, f'"{name}" looks like a password or key, and this file is no place for one',
            f"write it in an environment variable and name that here: secrets: {{{name}: TIDINGS_{name.upper()}}}",
        )  # fmt: skip
    value = scalar.value
    return name, value if isinstance(value, (int, Decimal, bool)) else scalar.text


def _secret(entry: Entry, context: Context) -> tuple[str, str]:
    check_name(entry.key, context)
    name = entry.key.text
    if isinstance(entry.value, Scalar) and is_variable_name(entry.value.text):
        return name, entry.value.text
    # The value may be the secret itself: the sentence never repeats it.
    raise context.report(
        "SEC01", entry.key, f'what stands at "{name}" is not the name of an environment variable',
        f"write a NAME in capitals, such as TIDINGS_{name.upper()}, and put the value into that variable",
    )  # fmt: skip


def _options(node: Node, context: Context) -> tuple[tuple[str, Option], ...]:
    return each_entry(expect_mapping(node, context, '"options"'), context, _option)


def _secrets(node: Node, context: Context) -> tuple[tuple[str, str], ...]:
    return each_entry(expect_mapping(node, context, '"secrets"'), context, _secret)


KEYS = Keys(
    "a channel",
    (
        Key("channel", TEXT, "The title that people see.", "channel: E-mail", required=True),
        Key("adapter", NAME, "Who delivers: smtp, outbox, or an installed adapter.", "adapter: smtp", required=True),
        Key("kind", one_of(KINDS), "What kind of message it carries; call and letter become files for people.", "kind: email", default="email"),
        Key("sender", Reader(_address, "an address, with a name in front if you like", {"type": "string"}), "Who it comes from.", "sender: Nordic Garden <hello@nordicgarden.example>"),
        Key("reply_to", Reader(_address, "an address", {"type": "string"}), "Where answers go.", "reply_to: service@nordicgarden.example"),
        Key("connections", whole(1, 64), "Connections open at the same time.", "connections: 8", default="8"),
        Key("rate", Reader(_rate, "a rate such as 10 per second", {"type": "string"}), "The most that leave in a time.", "rate: 10 per second"),
        Key("cost", Reader(_cost, "an amount, such as 0.02 EUR or 0.05 EUR per segment", {"type": "string", "pattern": "^[0-9.]+ [A-Z]{3}( per (message|segment|page))?$"}), "What one message costs, or one segment of an SMS, or one page of a fax.", "cost: 0.05 EUR per segment"),
        Key("patience", DURATION, "How long an accepted message may stay without a receipt before the next channel of `via` is tried.", "patience: 4 hours"),
        Key("registered_in", list_of(COUNTRIES, '"registered_in"', once=True), "The countries with whose carriers the sender is registered, as `rules` of the policies may ask.", "registered_in: [TW, CN]"),
        Key("links", list_of(_HOST, '"links"', once=True), "The hosts that carriers let through in links, as `rules` of the policies may ask.", "links: [shop.example]"),
        Key("options", Reader(_options, "the adapter's own settings", {"type": "object"}), "Settings of the adapter.", "options: {host: 127.0.0.1, port: 2525}"),
        Key("secrets", Reader(_secrets, "names of environment variables", {"type": "object"}), "Where the adapter finds passwords and keys: NAMES of environment variables, never values.", "secrets: {password: TIDINGS_SMTP_PASSWORD}"),
    ),
    later=frozenset({"quiet", "consent", "receipts", "window"}),
    renamed={"rate_per_second": "write `rate: 10 per second`", "from": "write `sender:`"},
)  # fmt: skip


def read(node: Node, context: Context, name: str) -> Channel:
    """Return the channel of one file."""
    values = KEYS.read(node, context)
    cost, unit = values.get("cost", (None, "message"))
    kind = values.get("kind", "email")
    _fitting_kind(kind, values["adapter"], unit, node, context)
    return Channel(
        id=name,
        title=values["channel"],
        path=context.file.path,
        adapter=values["adapter"],
        kind=kind,
        sender=values.get("sender", ""),
        reply_to=values.get("reply_to", ""),
        connections=values.get("connections", 8),
        rate_per_second=values.get("rate"),
        cost=cost,
        cost_unit=unit,
        patience=values.get("patience"),
        registered_in=values.get("registered_in", ()),
        links=values.get("links", ()),
        options=values.get("options", ()),
        secrets=values.get("secrets", ()),
        places=tuple(_places(node, context)),
    )


def _fitting_kind(kind: str, adapter: str, unit: str, node: Node, context: Context) -> None:
    """Report a price by parts that the kind does not have, and an adapter that could not do what people do."""
    assert isinstance(node, Mapping)
    if COST_UNITS[unit] not in ("", kind):
        context.report(
            "KEY07", node.entries["cost"].value, f"only {COST_UNITS[unit]} is paid by the {unit}, and this channel is {kind}",
            "leave out the unit: then it is the price of one message",
        )  # fmt: skip
    for name in ("registered_in", "links"):
        if name in node.entries and kind != "sms":
            context.report(
                "KEY07", node.entries[name].key, f"`{name}` is about carriers of text messages, and this channel is {kind}", "delete it"
            )  # fmt: skip
    if kind in _BY_HAND and adapter != "outbox":
        context.report(
            "KEY07", node.entries["adapter"].value, f"a {kind} is made by people, from the files of the outbox",
            "write `adapter: outbox`",
        )  # fmt: skip


def _places(node: Node, context: Context) -> Iterator[tuple[str, Position]]:
    """Yield where the adapter, each option and each secret stand."""
    if not isinstance(node, Mapping):
        return
    for name in ("options", "secrets"):
        inner = node.entries[name].value if name in node.entries else None
        for entry in inner.entries.values() if isinstance(inner, Mapping) else ():
            yield entry.key.text, context.position(entry.key.place)
    if "options" in node.entries:
        yield "options", context.position(node.entries["options"].key.place)
    for name in ("adapter", "patience"):
        if name in node.entries:
            yield name, context.position(node.entries[name].value.place)
