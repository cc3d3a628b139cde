"""One step of a flow: when it is due, for whom, and the one thing it does."""

from __future__ import annotations

import re
from typing import Any

from tidings.definitions.behaviour import EVENT, read_properties
from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.flow import DayOffset, Step, WaitFor
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES
from tidings.definitions.nodes import Entry, Mapping, Node, Scalar
from tidings.definitions.predicates import Tested, read_literal
from tidings.definitions.quantities import DURATION, SHARE, parse_duration, reading_trap, wrong_duration
from tidings.definitions.readers import timing
from tidings.definitions.readers.addressing import PURPOSE, SEND, VIA, check_files, folders
from tidings.definitions.readers.offer import OFFER
from tidings.definitions.readers.starting import check_date, read_offset
from tidings.definitions.readers.variants import SAY
from tidings.definitions.schema import (
    Key,
    Keys,
    Reader,
    each_entry,
    expect_mapping,
    expect_scalar,
    key_trap,
    report_missing,
)
from tidings.definitions.selecting import CONDITIONS, read_segment_name
from tidings.definitions.texts import FLAG, TEXT, check_name, one_of
from tidings.definitions.values import Duration, Share
from tidings.definitions.values import Scalar as Value

_VERBS = ("send", "notify", "set", "add_to", "remove_from", "wait_for", "split", "end", "offer")
_QUIET = re.compile(r"(?P<length>.+) quiet\Z")
_WORKDAYS = re.compile(r"(?P<days>[1-9][0-9]{0,2}) workdays?\Z")
_GROUP = re.compile(r"one [^\W\d][\w -]{0,40} an? (?P<party>[^\W\d]\w*)\Z")
_CHANNEL_KINDS = ("email", "sms", "fax", "call", "letter")
# Keys that belong to one verb; others are of every step.
_BELONGS = {
    "via": "send", "purpose": "send", "topic": "send", "patience": "send", "expires": "send", "if_refused": "send",
    "send_between": "send", "weekdays": "send", "to": "send", "group": "send", "due": "notify",
    "up_to": "wait_for", "if_not": "wait_for",
}  # fmt: skip
_NAME = {"type": "string"}


def _after(node: Node, context: Context) -> tuple[Duration, bool]:
    scalar = expect_scalar(node, context, "a length of time such as 3 days, or 2 hours quiet")
    quiet = _QUIET.match(scalar.text)
    text = quiet["length"] if quiet else scalar.text
    length = parse_duration(text)
    if length is None:
        raise wrong_duration(Scalar(scalar.place, text, scalar.plain), context)
    return length, quiet is not None


def _wait_until(node: Node, context: Context) -> DayOffset:
    day = read_offset(node, context)
    check_date(day.date, node, context, context.start_event)
    return day


def _raw(node: Node, context: Context) -> Node:
    """Hand a node on to be read when the verb of its step, or its event, is known."""
    return node


def _word(node: Node, context: Context) -> str:
    return expect_scalar(node, context, "the name of a step").text


def _party(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "the attribute that names the other party")
    attribute = context.vocabulary.attribute(scalar.text)
    if attribute is None:
        known = [name for name, one in context.vocabulary.attributes.items() if one and one.type == "text"]
        if scalar.text in context.vocabulary.attributes or key_trap(scalar.text, scalar, context, known):
            raise Unreadable
        hint = (
            did_you_mean(scalar.text, known, listing=False)
            or "declare it in config/attributes.yaml as a text"
        )
        raise context.report("REF04", scalar, f'no attribute "{scalar.text}" holds the other party', hint)
    if attribute.type != "text":
        raise context.report(
            "PHR05", scalar, f'"{scalar.text}" is a {attribute.type}; the other party is named by a text: the key of a customer'
        )  # fmt: skip
    return scalar.text


def _group(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "a phrase such as one sheet a dealer")
    if scalar.text == "party" or _GROUP.match(scalar.text):
        return "party"
    trap = reading_trap(scalar, context)
    raise trap or context.report(
        "PHR05", scalar, f'"{scalar.text}" does not say whose customers share one message', "write such as one sheet a dealer"
    )  # fmt: skip


def _values(node: Node, context: Context) -> tuple[tuple[str, Value | None], ...]:
    def read(entry: Entry, inner: Context) -> tuple[str, Value | None]:
        name = entry.key.text
        attribute = inner.vocabulary.attributes.get(name)
        if attribute is None:
            known = list(inner.vocabulary.attributes)
            if name in inner.vocabulary.attributes or key_trap(name, entry.key, inner, known):
                raise Unreadable
            hint = (
                did_you_mean(name, known, listing=False) or "a flow sets attributes of config/attributes.yaml"
            )
            raise inner.report("REF04", entry.key, f'no attribute "{name}" to set', hint)
        if attribute.type == "list":
            raise inner.report("PHR05", entry.key, f'"{name}" is a list; a flow sets single values')
        if isinstance(entry.value, Scalar) and entry.value.text == "unknown" and entry.value.plain:
            return name, None
        tested = Tested(name, attribute.type, attribute.currency, attribute.values)
        return name, read_literal(entry.value, inner, tested)

    mapping = expect_mapping(node, context, '"set"')
    if not mapping.entries:
        raise context.report("KEY03", node, '"set" is empty', "write such as set: {vip: true}")
    return each_entry(mapping, context, read)


def _due(node: Node, context: Context) -> Duration | int:
    scalar = expect_scalar(node, context, "2 workdays, or a length of time")
    match = _WORKDAYS.match(scalar.text)
    return int(match["days"]) if match else DURATION.read(node, context)


def _person(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "a person of config/staff.yaml")
    known = context.vocabulary.staff
    if scalar.text in known:
        return scalar.text
    if not key_trap(scalar.text, scalar, context, list(known)):
        hint = (
            did_you_mean(scalar.text, list(known))
            or "write config/staff.yaml, with a name and an e-mail address for each"
        )
        context.report("FLW08", scalar, f'nobody on the staff is called "{scalar.text}"', hint)
    raise Unreadable


def _listed(node: Node, context: Context) -> str:
    name = read_segment_name(node, context)
    found = context.vocabulary.segment_rules.get(name)
    if found is not None and found.members != "listed":
        raise context.report(
            "KEY07", node, f'the segment "{name}" is computed; who belongs is not for a flow to say',
            "name a segment with `members: listed`",
        )  # fmt: skip
    return name


def _split(node: Node, context: Context) -> tuple[tuple[str, Share], ...]:
    mapping = expect_mapping(node, context, '"split"')
    if len(mapping.entries) < 2:
        raise context.report("KEY03", node, '"split" needs two ways or more', "write such as split: {coupon: 50%, plain: 50%}")  # fmt: skip
    ways = each_entry(mapping, context, lambda entry, inner: (entry.key.text, SHARE.read(entry.value, inner)))
    total = Share(sum(share.basis_points for _, share in ways))
    if total.basis_points != 10_000:
        last = list(mapping.entries.values())[-1].value
        raise context.report("VAL08", last, f"the shares of the split come to {total}", "make them 100%")
    for name, share in ways:
        if share.basis_points == 0:
            raise context.report(
                "VAL08", mapping.entries[name].value, f'nobody would go to "{name}"', "delete it"
            )
    return ways


def _ends(node: Node, context: Context) -> bool:
    if not FLAG.read(node, context):
        raise context.report("VAL01", node, "a step that does not end the flow says nothing", "write end: true, or delete it")  # fmt: skip
    return True


_EVENT_WAITED = Key("did", EVENT, "The event that is waited for.", "did: clicked", required=True)
WAIT_KEYS = Keys(
    "a wait",
    (
        _EVENT_WAITED,
        Key("with", Reader(_raw, "properties of the event and what they should be", {"type": "object"}), "Only events whose properties pass all of these.", "with: {category: garden}"),
        Key("of", Reader(_raw, "an earlier step that sends", _NAME), "The step whose message the response must answer.", "of: letter"),
        Key("by", Reader(_raw, "a channel, or a kind of channel", _NAME), "The channel that the response must come by.", "by: email"),
    ),
)  # fmt: skip


def _wait_for(node: Node, context: Context) -> dict[str, Any]:
    """Return the parts of a `WaitFor` that stand in its mapping; its limit stands beside."""
    values: dict[str, Any] = WAIT_KEYS.read(node, context)
    mapping = expect_mapping(node, context, WAIT_KEYS.what)
    event = values["did"]
    for key in ("of", "by"):
        if key in values and event not in BUILT_IN_RESPONSES:
            raise context.report(
                "KEY07", mapping.entries[key].key, f'"{key}" is about a response to a message, and "{event}" is none', "delete it"
            )  # fmt: skip
    by = expect_scalar(values["by"], context, "a channel, or a kind of channel") if "by" in values else None
    if by is not None and by.text not in context.vocabulary.channels and by.text not in _CHANNEL_KINDS:
        raise context.report(
            "REF02", by, f'no channel "{by.text}"', did_you_mean(by.text, [*context.vocabulary.channels, *_CHANNEL_KINDS])
        )  # fmt: skip
    return {
        "event": event,
        "with_": read_properties(values["with"], context, event) if "with" in values else (),
        "of": _word(values["of"], context) if "of" in values else "",
        "by": by.text if by else "",
    }


STEP_NAME = Reader(_word, "the name of a step", _NAME)
NEXT = Reader(_word, "a later step, or end", _NAME)
STEP_KEYS = Keys(
    "a step",
    (
        Key("after", Reader(_after, "a length of time such as 3 days, or 2 hours quiet", {"type": "string", "pattern": "^[1-9][0-9]* (minute|hour|day|week|month|year)s?( quiet)?$"}), "How long after the step before (of the first: after the start); with `quiet`, after the customer's last start event.", "after: 3 days"),
        Key("wait_until", Reader(_wait_until, "a day such as 7 days before contract_ends_on", {"type": "string"}), "The day on which it is due; who is past it goes on to the next step.", "wait_until: 7 days before contract_ends_on at 10:00"),
        Key("when", CONDITIONS, "Asked once, when the step is due; all of it must hold, else the step is passed over. Names are attributes, or properties of the start event.", "when: [{contract_value: at least 50000}]"),
        Key("instead_of", STEP_NAME, "The earlier step in whose place this one stands when that is passed over.", "instead_of: first_offer"),
        Key("send", SEND, "The message.", "send: winback/letter"),
        Key("via", VIA, "Channels in order: the first that reaches the customer; `preferred` is the customer's own choice. Who was reached and does not react is written to by a later step.", "via: [preferred, email, sms]"),
        Key("to", Reader(_party, "an attribute that holds the key of another customer", _NAME), "Who is written to instead of the customer: a dealer, say.", "to: dealer"),
        Key("group", Reader(_group, "a phrase such as one sheet a dealer", {"type": "string"}), "One message for each other party, with the customers it is about as a table.", "group: one sheet a dealer"),
        Key("purpose", PURPOSE, "What this message is for, where it is not what the flow is for.", "purpose: service", default="that of the flow"),
        Key("topic", TEXT, "The topic of its purpose that the message belongs to.", "topic: roses"),
        Key("say", Reader(_raw, "texts by name; of a task, a folder in templates/", {"type": ["object", "string"]}), "Texts that the message shows; of `notify`, the folder in templates/ with the card that the person reads.", "say: {headline: {en: Still there?, ru: Вы ещё с нами?}}"),
        Key("offer", OFFER, "What is promised, its codes and its end.", "offer: {gives: 5% off, code: BASKET5, ends: 48 hours after sending}"),
        Key("patience", DURATION, "How long a message may stay without a receipt before the next channel is tried; overrides the channel's.", "patience: 4 hours"),
        Key("expires", DURATION, "How long after it is due a message that could not leave is still sent.", "expires: 6 hours", default="as config/policies.yaml says"),
        Key("if_refused", one_of(["hold", "skip"]), "Whether a message that may not leave at this hour waits for a better one, or is not sent.", "if_refused: skip", default="hold"),
        Key("send_between", timing.SEND_BETWEEN, "The hours in which messages may leave.", "send_between: 09:00 and 17:00"),
        Key("weekdays", timing.WEEKDAY_LIST, "The days of the week on which messages may leave.", "weekdays: [Mon, Tue, Wed, Thu, Fri]"),
        Key("notify", Reader(_person, "a person of config/staff.yaml", _NAME), "Who gets a task, with what is known of the customer.", "notify: account_manager"),
        Key("due", Reader(_due, "2 workdays, or a length of time", {"type": "string"}), "By when the task is to be answered; after that the owner of the flow is told.", "due: 2 workdays"),
        Key("set", Reader(_values, "attributes and their new values; unknown takes the value away", {"type": "object", "minProperties": 1}), "Attributes of the customer that change.", "set: {vip: true}"),
        Key("add_to", Reader(_listed, "a listed segment", _NAME), "The list that the customer comes on.", "add_to: fair_2027_leads"),
        Key("remove_from", Reader(_listed, "a listed segment", _NAME), "The list that the customer goes off.", "remove_from: fair_2027_leads"),
        Key("wait_for", Reader(_wait_for, "an event", WAIT_KEYS.schema()), "Waits until the customer did it, at most `up_to`.", "wait_for: {did: clicked, of: letter}"),
        Key("up_to", DURATION, "The limit of a wait; no wait is without one.", "up_to: 3 days"),
        Key("if_not", NEXT, "Where those go on who did not do it in time; else the next step.", "if_not: text"),
        Key("split", Reader(_split, "later steps, each with a share", {"type": "object", "additionalProperties": dict(SHARE.schema), "minProperties": 2}), "Sends customers different ways, drawn at random.", "split: {coupon: 50%, plain: 50%}"),
        Key("end", Reader(_ends, "true", {"const": True}), "The flow ends here.", "end: true"),
        Key("then", NEXT, "Where it goes on; else the next step.", "then: end"),
    ),
    renamed={
        "wait": "write after: 3 days, wait_until: 7 days before a date, or wait_for: {did: clicked}",
        "otherwise": "the step that stands in another's place says instead_of: STEP; where those go who did not answer, if_not: STEP",
        "goto": "write then: STEP",
        "at": "write wait_until: 7 days before a date at 10:00, or send_between: 09:00 and 17:00",
    },
)  # fmt: skip


def read_step(entry: Entry, context: Context) -> Step:
    """Return one step. What it says of other steps is checked when all of them are known."""
    check_name(entry.key, context)
    name = entry.key.text
    if name == "end":
        raise context.report("VAL04", entry.key, '"end" is a word of its own; call the step otherwise')
    values: dict[str, Any] = STEP_KEYS.read(entry.value, context)
    node = expect_mapping(entry.value, context, STEP_KEYS.what)
    verb = _verb(values, node, entry, context)
    for key, needs in _BELONGS.items():
        if key in values and verb != needs:
            raise context.report(
                "KEY07", node.entries[key].key, f'"{key}" belongs to "{needs}", and this step has none', f"write {needs}:, or delete it"
            )  # fmt: skip
    after, quiet = values.get("after", (None, False))
    _fitting(values, node, context, quiet=quiet)
    said, card = _said(verb, values, context)
    due = values.get("due")
    plain = "wait_until when instead_of then send via purpose topic patience expires if_refused send_between to group offer notify split"
    return Step(
        name=name,
        verb=verb,
        after=after,
        quiet=quiet,
        say=said,
        card=card,
        weekdays=timing.day_numbers(values.get("weekdays", ())),
        values=values.get("set", ()),
        due=due if isinstance(due, Duration) else None,
        due_workdays=due if isinstance(due, int) else None,
        segment=values.get("add_to") or values.get("remove_from") or "",
        wait_for=_limited(values, node, context),
        at=context.position(entry.key.place),
        **{key: values[key] for key in plain.split() if key in values},
    )


def _verb(values: dict[str, Any], node: Mapping, entry: Entry, context: Context) -> str:
    """Return the one thing that a step does; an offer may stand beside a message."""
    verbs = [verb for verb in _VERBS if verb in values]
    if verbs == ["send", "offer"]:
        verbs = ["send"]
    if len(verbs) > 1:
        raise context.report(
            "FLW09", node.entries[verbs[1]].key, f'a step does one thing, and this one has "{verbs[0]}" and "{verbs[1]}"',
            "make two steps of it",
        )  # fmt: skip
    if not verbs:
        if not any(key in values for key in ("after", "wait_until", "then")):
            raise context.report(
                "FLW09", entry.key, f'the step "{entry.key.text}" does nothing', f"write one of {', '.join(_VERBS)}, or how long it waits"
            )  # fmt: skip
        return "wait"
    if verbs[0] == "send" and "via" not in values:
        report_missing(node, context, 'a step that sends needs "via"', "via: email", ["send"])
        raise Unreadable
    if verbs[0] == "offer":
        _only_said(node.entries["offer"].value, context)
    return verbs[0]


def _only_said(node: Node, context: Context) -> None:
    """Report what an offer cannot do without a message: codes are given, and promises counted, as one leaves."""
    for key in ("codes", "at_most", "stop_when"):
        if isinstance(node, Mapping) and key in node.entries:
            raise context.report(
                "KEY07", node.entries[key].key, f'"{key}" needs a message that makes the offer', "write `send:` and `via:` in the same step"
            )  # fmt: skip


def _fitting(values: dict[str, Any], node: Mapping, context: Context, *, quiet: bool) -> None:
    """Report keys of one step that exclude or need each other, and a channel without a file of the message."""
    if "after" in values and "wait_until" in values:
        raise context.report(
            "KEY07", node.entries["wait_until"].key, '"after" and "wait_until" exclude each other', "keep one of them"
        )  # fmt: skip
    if quiet and context.start_kind != "event":
        raise context.report(
            "KEY07", node.entries["after"].value, "quiet counts from the last start event, and this flow does not start by an event",
            "delete quiet, or start it by did:",
        )  # fmt: skip
    for key in ("then", "split", "end"):
        if "end" in values and key in values and key != "end":
            raise context.report("KEY07", node.entries[key].key, f'"{key}" and "end" exclude each other', "keep one of them")  # fmt: skip
    if "split" in values and "then" in values:
        raise context.report("KEY07", node.entries["then"].key, "a split says itself where it goes on", "delete it")  # fmt: skip
    if "group" in values and "to" not in values:
        raise context.report("KEY07", node.entries["group"].key, '"group" is about another party, and this step has no "to"', "write to: ATTRIBUTE, or delete it")  # fmt: skip
    if "send" in values:
        check_files(values["send"], node.entries["via"].value, context)


def _said(verb: str, values: dict[str, Any], context: Context) -> tuple[Any, str]:
    """Return the texts of a message, and the folder of the card of a task."""
    if "say" not in values:
        return (), ""
    if verb == "send":
        return SAY.read(values["say"], context), ""
    if verb != "notify":
        raise context.report("KEY07", values["say"], '"say" belongs to "send" or "notify"', "delete it")
    folder = SEND.read(values["say"], context)
    prefix = f"templates/{folder}/card."
    if folder in folders(context) and not any(
        path.startswith(prefix) and path.endswith(".txt") for path in context.vocabulary.templates
    ):
        raise context.report(
            "REF09", values["say"], f"{folder} has no card for the person", f"write {prefix}{context.vocabulary.locale}.txt"
        )  # fmt: skip
    return (), folder


def _limited(values: dict[str, Any], node: Mapping, context: Context) -> WaitFor | None:
    waited = values.get("wait_for")
    if waited is None:
        return None
    if "up_to" not in values:
        raise context.report(
            "FLW02", node.entries["wait_for"].key, "this wait has no limit: who never does it would wait for ever", "write such as up_to: 3 days"
        )  # fmt: skip
    return WaitFor(**waited, up_to=values["up_to"], if_not=values.get("if_not", ""))
