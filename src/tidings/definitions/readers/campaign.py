"""campaigns/*.yaml: one promotion with its audience, message, variants, holdout and goal."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from tidings.definitions.context import Context
from tidings.definitions.kinds.campaign import Audience, Campaign, Goal, Holdout, Texts, Variant
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES, TASK_EVENTS
from tidings.definitions.kinds.timing import Recurrence
from tidings.definitions.nodes import Mapping, Node
from tidings.definitions.quantities import DURATION, LOCAL_TIME, MONEY, SHARE
from tidings.definitions.readers import timing
from tidings.definitions.readers.addressing import (
    COSTS,
    GROUP,
    PURPOSE,
    SEND,
    SERVES,
    TO,
    UNIT,
    VIA,
    check_files,
    check_purpose,
    check_topic,
)
from tidings.definitions.readers.expecting import EXPECTS
from tidings.definitions.readers.goal import GOAL
from tidings.definitions.readers.later import of_campaign
from tidings.definitions.readers.offer import GUARD, OFFER
from tidings.definitions.readers.variants import SAY, VARIANTS
from tidings.definitions.schema import Key, Keys, Reader, expect_scalar, list_of
from tidings.definitions.selecting import SEGMENTS
from tidings.definitions.texts import TEXT, one_of
from tidings.definitions.values import Share


def read_holdout(node: Node, context: Context) -> tuple[Holdout, str]:
    """Return the holdout and the unit that its long form names."""
    if isinstance(node, Mapping):
        values = HOLDOUT_KEYS.read(node, context)
        return Holdout(values["share"], values.get("lasts", "whole campaign")), values.get("unit", "")
    scalar = expect_scalar(node, context, "auto, none or a share such as 10%")
    if scalar.text in ("auto", "none"):
        return Holdout(None if scalar.text == "auto" else Share(0)), ""
    return Holdout(_treated_left(node, context)), ""


def _treated_left(node: Node, context: Context) -> Share:
    share = SHARE.read(node, context)
    if share.basis_points >= 10_000:
        raise context.report("VAL08", node, "a holdout of 100% leaves nobody to write to")
    return share


HOLDOUT_KEYS = Keys(
    "a holdout",
    (
        Key("share", Reader(_treated_left, SHARE.says, SHARE.schema), "The part held out.", "share: 10%", required=True),
        Key("lasts", one_of(["whole campaign", "each run"]), "Whether the same people stay out of every run, or each run draws anew.", "lasts: whole campaign", default="whole campaign"),
        Key("unit", UNIT, "What is held out together: one customer, or a whole account.", "unit: account", default="customer"),
    ),
)  # fmt: skip
KEYS = Keys(
    "a campaign",
    (
        Key("campaign", TEXT, "The title that people see.", "campaign: Spring win-back", required=True),
        Key("owner", TEXT, "Who answers for it.", "owner: crm@nordicgarden.example"),
        Key("why", TEXT, "What makes it worth sending.", "why: Lapsed buyers answered well last year"),
        Key("serves", SERVES, "The goal of the company that it is for, by its name in config/goals.yaml.", "serves: winback_2027"),
        Key("purpose", PURPOSE, "What the message is for: decides class, consent and default holdout.", "purpose: marketing", default="marketing"),
        Key("topic", TEXT, "The topic of its purpose that the message belongs to.", "topic: roses"),
        Key("to", TO, "Who gets it: anyone in any of the segments, once.", "to: lapsed_buyers", required=True),
        Key("except", SEGMENTS, "Anyone in any of these segments is left out.", "except: [refund_seekers]"),
        Key("audience", one_of(["fresh at send", "fixed when planned"]), "Whether it goes to those who fit when it leaves, or to those who fitted when it was planned.", "audience: fresh at send", default="fresh at send"),
        Key("sample", SHARE, "Only this part of those who fit, stable by the name of the campaign.", "sample: 20%"),
        Key("unit", UNIT, "What arms are drawn by: one customer, or a whole account.", "unit: account", default="customer"),
        Key("one_each", one_of(["address", "customer"]), "Whether people who share an address get one message together or each their own.", "one_each: address", default="address"),
        Key("group", GROUP, "One message an account, with its customers as a table.", "group: one sheet a dealer"),
        Key("send", SEND, "The message.", "send: spring_winback", required=True),
        Key("issues", one_of(["by day", "by week", "by month"]), "The message has a folder for each issue, such as templates/newsletter/2027-03/.", "issues: by month"),
        Key("via", VIA, "Channels in order: the first that reaches the customer; `preferred` is the customer's own choice. Who was reached and does not react is never written to by the next one.", "via: [preferred, email, sms]", required=True),
        Key("patience", DURATION, "How long a message may stay without a receipt before the next channel is tried; overrides the channel's.", "patience: 4 hours"),
        Key("copies_to", SEGMENTS, "Segments of staff who get the real message and are never counted.", "copies_to: staff_seeds"),
        Key("archive", one_of(["public", "none"]), "Whether the message can be read on the web afterwards.", "archive: public"),
        Key("at", LOCAL_TIME, "When it leaves; without it, when it is run.", "at: 2027-03-02 10:00"),
        Key("every", timing.EVERY, "How often it comes again.", "every: month on the first Tuesday at 10:00"),
        Key("from", timing.DAY, "The first day of a recurring campaign.", "from: 2027-03-01"),
        Key("until", timing.DAY, "Its last day.", "until: 2027-12-31"),
        Key("on_holidays", one_of(["send", "skip", "next workday"]), "What happens to a day of config/holidays.yaml.", "on_holidays: next workday", default="send"),
        Key("misfire", one_of(["skip", "catch_up", "reschedule"]), "What happens to a day that nothing ran on until more than 12 hours late.", "misfire: catch_up", default="skip for marketing, catch_up for services"),
        Key("again", timing.AGAIN, "Whether the same customer gets a recurring campaign again.", "again: after 300 days"),
        Key("clock", one_of(["workspace", "recipient"]), "Whose clock its hours are on.", "clock: recipient", default="workspace"),
        Key("late", one_of(["send", "skip"]), "What happens where the hour is past already on the recipient's clock.", "late: send"),
        Key("send_between", timing.SEND_BETWEEN, "The hours in which messages may leave.", "send_between: 09:00 and 17:00"),
        Key("weekdays", timing.WEEKDAY_LIST, "The days of the week on which messages may leave.", "weekdays: [Mon, Tue, Wed, Thu, Fri]"),
        Key("priority", one_of(["high", "normal", "low"]), "Who wins under the frequency cap.", "priority: high", default="normal"),
        Key("holdout", Reader(read_holdout, "auto, none, a share such as 10%, or the long form", {"anyOf": [{"type": "string"}, HOLDOUT_KEYS.schema()]}), "How many get nothing, to measure against.", "holdout: 10%", default="auto"),
        Key("why_no_holdout", TEXT, "Why nobody is held out.", "why_no_holdout: 300 places, personal invitations"),
        Key("say", SAY, "Texts that the template shows, for every variant that does not say them otherwise.", "say: {headline: {en: Spring is here, ru: Весна пришла}}"),
        Key("variants", VARIANTS, "Different wordings, drawn at random; without it there is one.", "variants: {warm: {say: {headline: We kept your favourites}}}"),
        Key("test", timing.TEST, "A part gets the variants first, the rest the winner.", "test: {on: 20%, decide: after 6 hours, by: clicked}"),
        Key("pilot", timing.PILOT, "A part goes first; the rest only if it does well.", "pilot: {on: 12, judge: after 8 weeks, go_on_if: orders at least 3}"),
        Key("offer", OFFER, "What is promised, its codes and its end.", "offer: {gives: 25% off, code: SPRING25, ends: 2027-03-16}"),
        Key("budget", MONEY, "Never exceeded.", "budget: 2000 EUR"),
        Key("costs", COSTS, "What it costs beside the sending; added where the return is calculated.", "costs: {artwork: 400 EUR}"),
        Key("expects", EXPECTS, "What is expected of it: kept when it is approved, and shown beside what came.", "expects: {response: 3%, revenue: 20000 EUR}"),
        Key("goal", GOAL, "What success is.", "goal: {did: order_placed, within: 14 days, worth: revenue}"),
        Key("also", list_of(GOAL, "also"), "Further goals to report.", "also: [{did: page_viewed, within: 3 days}]"),
        Key("guard", GUARD, "Limits at which it stops.", "guard: [{unsubscribed: at most 0.5%}]"),
        Key("expires", DURATION, "How long after `at` a message that could not leave is still sent.", "expires: 24 hours", default="as config/policies.yaml says"),
    ),
    later=frozenset({"places", "remind", "follow_up", "questions"}),
    renamed={"spend": "write `budget: 2000 EUR` for a limit that is never exceeded, `costs: {artwork: 400 EUR}` for what it costs beside the sending"},
    aliases={"one each": "one_each"},
)  # fmt: skip


def read(node: Node, context: Context, name: str) -> Campaign:
    """Return the campaign of one file."""
    values: dict[str, Any] = KEYS.read(node, context)
    assert isinstance(node, Mapping)
    audience: Audience = values["to"]
    if "except" in values:
        audience = Audience(audience.segments, audience.where, values["except"])
    holdout, held_unit = values.get("holdout", (Holdout(), ""))
    plain = (
        "purpose topic at goal also budget expires why owner patience one_each group copies_to costs why_no_holdout "
        "audience clock late priority misfire again send_between sample test pilot offer guard serves issues archive expects"
    )
    campaign = Campaign(
        id=name,
        title=values["campaign"],
        path=context.file.path,
        to=audience,
        send=values["send"],
        via=values["via"],
        holdout=holdout,
        unit=values.get("unit") or held_unit or "customer",
        variants=_worded(values.get("variants", ()), values.get("say", ())),
        say=values.get("say", ()),
        recurrence=_recurrence(values, node, context),
        weekdays=timing.day_numbers(values.get("weekdays", ())),
        acts_later=of_campaign(values, node, context),
        **{key: values[key] for key in plain.split() if key in values},
    )
    if held_unit and values.get("unit", held_unit) != held_unit:
        context.report(
            "KEY07", node.entries["unit"].value, f"arms are drawn by {campaign.unit} here and by {held_unit} in holdout",
            "write `unit:` once",
        )  # fmt: skip
    check_purpose("purpose" in values, node.entries["campaign"].key, context, "campaign")
    if campaign.topic:
        check_topic(campaign.topic, campaign.purpose, node.entries["topic"].value, context)
    check_files(campaign.send, node.entries["via"].value, context, issues=bool(campaign.issues))
    check_goal(campaign.goal, campaign.holdout, campaign.purpose, node, context)
    _fitting_times(campaign, node, context)
    return campaign


def _worded(variants: tuple[Variant, ...], said: Texts) -> tuple[Variant, ...]:
    """Return the variants, each with the texts of the campaign that it does not say itself."""
    return tuple(
        replace(one, say=(*one.say, *(text for text in said if text[0] not in dict(one.say))))
        for one in variants
    )


def _recurrence(values: dict[str, Any], node: Mapping, context: Context) -> Recurrence | None:
    every = values.get("every")
    if every is None:
        for key in ("from", "until", "on_holidays", "misfire", "again"):
            if key in values:
                context.report(
                    "KEY07", node.entries[key].key, f'"{key}" is about a campaign that comes again, and this one has no "every"',
                    "add such as `every: week on Tue at 10:00`, or delete it",
                )  # fmt: skip
        return None
    if "at" in values:
        context.report(
            "KEY07", node.entries["at"].key, '"at" and "every" exclude each other',
            "keep `at` for one time, `every` for many",
        )  # fmt: skip
    first, last = values.get("from"), values.get("until")
    timing.check_order(node, first, last, context)
    return Recurrence(every, first, last, values.get("on_holidays", "send"))


def _fitting_times(campaign: Campaign, node: Mapping, context: Context) -> None:
    """Report what is about another clock than the campaign's, an offer that is over, and a winner that is none."""
    if campaign.late and campaign.clock != "recipient":
        context.report(
            "KEY07", node.entries["late"].key, '"late" is about hours on the recipient\'s clock',
            "add `clock: recipient`, or delete it",
        )  # fmt: skip
    ends = campaign.offer.ends if campaign.offer else None
    offer = node.entries["offer"].value if "offer" in node.entries else None
    if campaign.at and isinstance(ends, date) and isinstance(offer, Mapping):
        over = timing.midnight(ends) < campaign.at.value
        if over and timing.midnight(ends).date() < campaign.at.value.date():
            context.report(
                "PHR08", offer.entries["ends"].value, "the offer ends before the campaign leaves", "change one of the two"
            )  # fmt: skip
    test = node.entries["test"].value if "test" in node.entries else None
    if campaign.test is None or not isinstance(test, Mapping):
        return
    names = [one.name for one in campaign.variants]
    if len(names) < 2:
        context.report("KEY07", node.entries["test"].key, "a test needs two variants to choose from", "write `variants:`")  # fmt: skip
    elif campaign.test.if_unclear and campaign.test.if_unclear not in names:
        context.report(
            "VAL02", test.entries["if_unclear"].value, f'no variant "{campaign.test.if_unclear}"',
            f"there is {', '.join(names)}",
        )  # fmt: skip


def check_goal(goal: Goal | None, holdout: Holdout, purpose: str, node: Mapping, context: Context) -> None:
    """Warn where a goal cannot happen to those held out, so that it says nothing about the effect."""
    share = holdout.share
    none = purpose in context.vocabulary.no_holdout if share is None else share.basis_points == 0
    if goal and goal.did in (*BUILT_IN_RESPONSES, *TASK_EVENTS) and not none:
        context.warn(
            "CMP01", node.entries["goal"].value,
            f"{goal.did} cannot happen to those held out; this goal only compares variants",
            "name an event that every customer can have, such as order_placed",
        )  # fmt: skip
