"""`ladder` of config/goals.yaml: the steps on which customers stand, the lowest first."""

from __future__ import annotations

from tidings.definitions.context import Context
from tidings.definitions.kinds.measuring import Ladder, Rung
from tidings.definitions.nodes import Entry, Mapping, Node
from tidings.definitions.schema import Key, Keys, Reader, each_entry, expect_mapping
from tidings.definitions.selecting import CONDITIONS
from tidings.definitions.texts import FLAG, TEXT, check_name

# What a movement between two days is called; a step of that name could not be told from it.
MOVEMENTS = ("new", "retained", "upgraded", "downgraded", "reactivated", "lost")
RUNG_KEYS = Keys(
    "a step of the ladder",
    (
        Key("title", TEXT, "The name that people see.", "title: Regular customers"),
        Key("where", CONDITIONS, "Conditions; all of them must hold.", "where: [{did: order_placed, times: at least 2, within: last 365 days}]", required=True),
        Key("active", FLAG, "Whether who stands here counts as a customer now: coming from a step that does not is new or reactivated, going to one is lost.", "active: false", default="true"),
    ),
)  # fmt: skip


def _rung(entry: Entry, context: Context) -> Rung:
    check_name(entry.key, context)
    name = entry.key.text
    if name in MOVEMENTS:
        raise context.report(
            "VAL04", entry.key, f'"{name}" is what a movement of customers is called', "call this step otherwise"
        )  # fmt: skip
    if not isinstance(entry.value, Mapping):
        return Rung(name, "", CONDITIONS.read(entry.value, context))
    values = RUNG_KEYS.read(entry.value, context)
    return Rung(name, values.get("title", ""), values["where"], values.get("active", True))


def _ladder(node: Node, context: Context) -> Ladder:
    mapping = expect_mapping(node, context, '"ladder"')
    if len(mapping.entries) < 2:
        raise context.report("KEY03", node, "a ladder has two steps or more", "write the lowest first")
    rungs = each_entry(mapping, context, _rung)
    if rungs and not any(one.active for one in rungs):
        raise context.report(
            "VAL03", node, "no step of the ladder is active, so nobody could be won or lost", "leave out `active: false` of one"
        )  # fmt: skip
    return Ladder(rungs)


_RUNG = {"anyOf": [dict(CONDITIONS.schema), RUNG_KEYS.schema()]}
LADDER = Reader(
    _ladder,
    "steps by name, the lowest first, each with its conditions",
    {"type": "object", "additionalProperties": _RUNG, "minProperties": 2},
)
