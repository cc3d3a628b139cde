"""segments/*.yaml: who is selected."""

from __future__ import annotations

from tidings.definitions.context import Context
from tidings.definitions.kinds.segment import ListConsent, Segment
from tidings.definitions.nodes import Mapping, Node
from tidings.definitions.readers.addressing import PURPOSE
from tidings.definitions.readers.examples import EXAMPLES
from tidings.definitions.readers.later import of_segment
from tidings.definitions.readers.rank import RANK
from tidings.definitions.readers.timing import DAY
from tidings.definitions.schema import Key, Keys, Reader, report_missing
from tidings.definitions.selecting import CONDITIONS
from tidings.definitions.texts import TEXT, one_of

LIST_CONSENT_KEYS = Keys(
    "the consent of a list",
    (
        Key("purpose", PURPOSE, "What was agreed to.", "purpose: marketing", required=True),
        Key("basis", TEXT, "How the customer agreed; kept as proof.", "basis: signed card at the booth", required=True),
    ),
)  # fmt: skip


def _consent(node: Node, context: Context) -> ListConsent:
    values = LIST_CONSENT_KEYS.read(node, context)
    return ListConsent(values["purpose"], values["basis"])


KEYS = Keys(
    "a segment",
    (
        Key("segment", TEXT, "The title that people see.", "segment: Good customers who went quiet", required=True),
        Key("why", TEXT, "Why this group is worth selecting.", "why: An offer pays only here."),
        Key("owner", TEXT, "Who answers for it.", "owner: crm@nordicgarden.example"),
        Key("members", one_of(["rules", "listed"]), "`rules`: computed from `where`; `listed`: kept by import.", "members: listed", default="rules"),
        Key("where", CONDITIONS, "Conditions; all of them must hold.", "where: [{country: SE}]"),
        Key("except", CONDITIONS, "Anyone who fits any of these lines is left out.", "except: [{segment: employees}]"),
        Key("rank", RANK, "Only the highest of those left after `where` and `except`.", "rank: {by: lifetime_value, keep: top 40%}"),
        Key("examples", EXAMPLES, "Made-up customers, and whether they belong.", "examples: [{in: true, customer: {country: SE}}]"),
        Key("source", TEXT, "Where the members of a listed segment come from.", "source: booth scanner, hall 2"),
        Key("consent", Reader(_consent, "a consent", LIST_CONSENT_KEYS.schema()), "What the members of a listed segment agreed to.", "consent: {purpose: marketing, basis: signed card at the booth}"),
        Key("expires", DAY, "The last day on which a listed segment counts.", "expires: 2027-12-31"),
    ),
    later=frozenset({"sample", "unit"}),
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
        for key in ("where", "except", "rank", "examples"):
            if key in values:
                context.report(
                    "KEY07", node.entries[key].key, f'a listed segment has no "{key}": its members come by import',
                    "delete it, or delete `members: listed`",
                )  # fmt: skip
    else:
        for key in ("source", "consent", "expires"):
            if key in values:
                context.report(
                    "KEY07", node.entries[key].key, f'"{key}" is about a list, and this segment is computed',
                    "delete it, or write `members: listed`",
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
        rank=values.get("rank"),
        examples=values.get("examples", ()),
        acts_later=of_segment(values, node, context),
        source=values.get("source", ""),
        consent=values.get("consent"),
        expires=values.get("expires"),
    )
