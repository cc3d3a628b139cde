"""campaigns/*.yaml: one promotion with its audience, message, variants, holdout and goal."""

from __future__ import annotations

from typing import Any

from tidings.definitions.context import Context, did_you_mean
from tidings.definitions.kinds.campaign import Audience, Campaign, Holdout
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES
from tidings.definitions.nodes import Mapping, Node, Scalar, Sequence
from tidings.definitions.quantities import DURATION, LOCAL_TIME, MONEY, SHARE
from tidings.definitions.readers.goal import GOAL
from tidings.definitions.readers.variants import VARIANTS
from tidings.definitions.schema import Key, Keys, Reader, expect_scalar, key_trap, list_of
from tidings.definitions.selecting import CONDITIONS, SEGMENTS
from tidings.definitions.texts import TEXT
from tidings.definitions.values import Share

_INLINE = Keys("an inline audience", (Key("where", CONDITIONS, "Conditions; all of them must hold.", "where: [{country: SE}]", required=True),))  # fmt: skip


def _to(node: Node, context: Context) -> Audience:
    if isinstance(node, Mapping):
        return Audience(where=_INLINE.read(node, context)["where"])
    return Audience(segments=SEGMENTS.read(node, context))


def _holdout(node: Node, context: Context) -> Holdout:
    if isinstance(node, Mapping):
        return Holdout(_HOLDOUT_LONG.read(node, context)["share"])
    scalar = expect_scalar(node, context, "auto, none or a share such as 10%")
    if scalar.text in ("auto", "none"):
        return Holdout(None if scalar.text == "auto" else Share(0))
    return Holdout(_treated_left(node, context))


def _treated_left(node: Node, context: Context) -> Share:
    share = SHARE.read(node, context)
    if share.basis_points >= 10_000:
        raise context.report("VAL08", node, "a holdout of 100% leaves nobody to write to")
    return share


_HOLDOUT_LONG = Keys(
    "a holdout",
    (Key("share", Reader(_treated_left, SHARE.says, SHARE.schema), "The part held out.", "share: 10%", required=True),),
    later=frozenset({"lasts", "unit"}),
)  # fmt: skip


def _folder(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "the name of a folder in templates/")
    templates = context.vocabulary.templates
    folders = {path.split("/", 1)[1].rsplit("/", 1)[0] for path in templates if path.count("/") > 1}
    if scalar.text in folders:
        return scalar.text
    if key_trap(scalar.text, scalar, context, sorted(folders)):
        return scalar.text
    hint = did_you_mean(scalar.text, folders) or f"make templates/{scalar.text}/ with a file for each channel"
    raise context.report("REF08", scalar, f'no template folder "{scalar.text}"', hint)


def _channel(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "the name of a channel")
    known = context.vocabulary.channels
    if scalar.text in known:
        return scalar.text
    if scalar.text == "preferred":
        raise context.report("KEY04", scalar, '"preferred" is not supported by this version of tidings')
    if key_trap(scalar.text, scalar, context, list(known)):
        return scalar.text
    hint = did_you_mean(scalar.text, list(known)) or f"it would be channels/{scalar.text}.yaml"
    raise context.report("REF02", scalar, f'no channel "{scalar.text}"', hint)


def _purpose(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "the name of a purpose")
    known = context.vocabulary.purposes
    if known is None or scalar.text in known or key_trap(scalar.text, scalar, context, sorted(known)):
        return scalar.text
    hint = did_you_mean(scalar.text, known) or "declare it in config/policies.yaml"
    raise context.report("REF03", scalar, f'no purpose "{scalar.text}"', hint)


_NAME = {"type": "string"}
KEYS = Keys(
    "a campaign",
    (
        Key("campaign", TEXT, "The title that people see.", "campaign: Spring win-back", required=True),
        Key("owner", TEXT, "Who answers for it.", "owner: crm@nordicgarden.example"),
        Key("why", TEXT, "What makes it worth sending.", "why: Lapsed buyers answered well last year"),
        Key("purpose", Reader(_purpose, "a purpose of config/policies.yaml", _NAME), "What the message is for: decides class, consent and default holdout.", "purpose: marketing", default="marketing"),
        Key("to", Reader(_to, "a segment, a list of segments, or {where: conditions}", {"anyOf": [SEGMENTS.schema, {"type": "object"}]}), "Who gets it: anyone in any of the segments, once.", "to: lapsed_buyers", required=True),
        Key("except", SEGMENTS, "Anyone in any of these segments is left out.", "except: [refund_seekers]"),
        Key("send", Reader(_folder, "a folder in templates/", _NAME), "The message.", "send: spring_winback", required=True),
        Key("via", list_of(Reader(_channel, "a channel", _NAME), "via", or_one=True, once=True), "Channels in order: the first that reaches the customer.", "via: email", required=True),
        Key("at", LOCAL_TIME, "When it leaves, on the workspace clock; without it, when it is run.", "at: 2027-03-02 10:00"),
        Key("holdout", Reader(_holdout, "auto, none or a share such as 10%", {"type": ["string", "object"]}), "How many get nothing, to measure against.", "holdout: 10%", default="auto"),
        Key("variants", VARIANTS, "Different wordings, drawn at random; without it there is one.", "variants: {warm: {say: {headline: We kept your favourites}}}"),
        Key("goal", GOAL, "What success is.", "goal: {did: order_placed, within: 14 days, worth: revenue}"),
        Key("also", list_of(GOAL, "also"), "Further goals to report.", "also: [{did: page_viewed, within: 3 days}]"),
        Key("budget", MONEY, "Never exceeded.", "budget: 2000 EUR"),
        Key("expires", DURATION, "How long after `at` a message that could not leave is still sent.", "expires: 24 hours", default="as config/policies.yaml says"),
    ),
    later=frozenset(
        "serves audience clock late priority test offer costs guard every from until on_holidays again issues "
        "copies_to archive unit send_between weekdays pilot patience say sample why_no_holdout".split()
    ),
    renamed={"spend": "write `budget: 2000 EUR` for a limit that is never exceeded"},
)  # fmt: skip


def read(node: Node, context: Context, name: str) -> Campaign:
    """Return the campaign of one file."""
    values: dict[str, Any] = KEYS.read(node, context)
    assert isinstance(node, Mapping)
    audience: Audience = values["to"]
    if "except" in values:
        audience = Audience(audience.segments, audience.where, values["except"])
    campaign = Campaign(
        id=name,
        title=values["campaign"],
        path=context.file.path,
        to=audience,
        send=values["send"],
        via=values["via"],
        purpose=values.get("purpose", "marketing"),
        at=values.get("at"),
        holdout=values.get("holdout", Holdout()),
        variants=values.get("variants", ()),
        goal=values.get("goal"),
        also=values.get("also", ()),
        budget=values.get("budget"),
        expires=values.get("expires"),
        why=values.get("why", ""),
        owner=values.get("owner", ""),
    )
    _default_purpose(campaign, node, context)
    _template_files(campaign, node, context)
    _comparable_goal(campaign, node, context)
    return campaign


def _default_purpose(campaign: Campaign, node: Mapping, context: Context) -> None:
    known = context.vocabulary.purposes
    if "purpose" not in node.entries and known is not None and campaign.purpose not in known:
        place = node.entries["campaign"].key
        context.report(
            "REF03", place, 'this campaign names no purpose, and there is no purpose "marketing"',
            f"write `purpose: NAME`; there is {', '.join(sorted(known))}",
        )  # fmt: skip


def _template_files(campaign: Campaign, node: Mapping, context: Context) -> None:
    """Report a channel of `via` for which the message has no file."""
    prefix = f"templates/{campaign.send}/"
    files = [path.removeprefix(prefix) for path in context.vocabulary.templates if path.startswith(prefix)]
    via = node.entries["via"].value
    for item in via.items if isinstance(via, Sequence) else [via]:
        channel = context.vocabulary.channels.get(item.text) if isinstance(item, Scalar) else None
        if channel and not any(file.startswith(f"{channel.kind}.") for file in files):
            context.report(
                "REF09", item, f"the message {campaign.send} has no file for {channel.kind}",
                f"write templates/{campaign.send}/{channel.kind}.{context.vocabulary.locale}.txt",
            )  # fmt: skip


def _comparable_goal(campaign: Campaign, node: Mapping, context: Context) -> None:
    """Warn where a goal cannot happen to those held out, so that it says nothing about the campaign's effect."""
    none = campaign.holdout.share is not None and campaign.holdout.share.basis_points == 0
    if campaign.goal and campaign.goal.did in BUILT_IN_RESPONSES and not none:
        context.warn(
            "CMP01", node.entries["goal"].value,
            f"{campaign.goal.did} cannot happen to those held out; this goal only compares variants",
            "name an event that every customer can have, such as order_placed",
        )  # fmt: skip
