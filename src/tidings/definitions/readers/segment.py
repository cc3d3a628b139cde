"""segments/*.yaml: who is selected."""

from __future__ import annotations

from tidings.definitions.context import Context
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.nodes import Mapping, Node
from tidings.definitions.schema import Key, Keys, report_missing
from tidings.definitions.selecting import CONDITIONS
from tidings.definitions.texts import TEXT, one_of

KEYS = Keys(
    "a segment",
    (
        Key("segment", TEXT, "The title that people see.", "segment: Good customers who went quiet", required=True),
        Key("why", TEXT, "Why this group is worth selecting.", "why: An offer pays only here."),
        Key("owner", TEXT, "Who answers for it.", "owner: crm@nordicgarden.example"),
        Key("members", one_of(["rules", "listed"]), "`rules`: computed from `where`; `listed`: kept by import.", "members: listed", default="rules"),
        Key("where", CONDITIONS, "Conditions; all of them must hold.", "where: [{country: SE}]"),
        Key("except", CONDITIONS, "Anyone who fits any of these lines is left out.", "except: [{segment: employees}]"),
    ),
    later=frozenset({"rank", "sample", "examples", "consent", "expires", "source", "unit"}),
)  # fmt: skip


def read(node: Node, context: Context, name: str) -> Segment:
    """Return the segment of one file."""
    values = KEYS.read(node, context)
    assert isinstance(node, Mapping)
    members = values.get("members", "rules")
    if members == "rules" and "where" not in values:
        report_missing(
            node,
            context,
            'a segment needs "where"',
            "where: [{country: SE}]",
            ["segment", "why", "owner", "members"],
        )
    if members == "listed":
        for key in ("where", "except"):
            if key in values:
                context.report(
                    "KEY07", node.entries[key].key, f'a listed segment has no "{key}": its members come by import',
                    "delete it, or delete `members: listed`",
                )  # fmt: skip
    return Segment(
        id=name,
        title=values["segment"],
        path=context.file.path,
        where=values.get("where", ()),
        except_=values.get("except", ()),
        why=values.get("why", ""),
        owner=values.get("owner", ""),
        members=members,
    )
