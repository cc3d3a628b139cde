"""Why a customer got what they got of a campaign, or nothing: plan, arm, rules, messages, answers, goal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.legs import legs_of
from tidings.customers.identity import ADDRESS_COLUMNS
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.rules import Purpose
from tidings.flows.explaining import permission
from tidings.flows.explaining.arms import campaign_arm
from tidings.flows.explaining.audience import audience_facts
from tidings.flows.explaining.countries import country_facts
from tidings.flows.explaining.facts import AGAINST, PASSED, Chapter, Fact, Inquiry
from tidings.flows.explaining.goals import goal_fact
from tidings.flows.explaining.limits import account_fact, cap_fact
from tidings.flows.explaining.messages import leg_facts, messages_of
from tidings.flows.explaining.occasions import occasion_facts
from tidings.flows.explaining.rules import judged, refusal_facts
from tidings.flows.explaining.words import by_channel, headline_words, rule_named, state_words
from tidings.store.tables import people, sending

_plans, _members, _enrolments, _runs = sending.plans, sending.plan_members, sending.enrolments, sending.runs

Told = tuple[str, list[Chapter]]


def campaign_chapters(ask: Inquiry, campaign: Campaign | None, name: str, run: Any, plan: Any) -> Told:
    """Return the headline and the chapters of a campaign; `run` and `plan` are rows, None where there is none.

    `campaign` is None where its definition is not known any more.
    """
    purpose = ask.definitions.policies.purpose(campaign.purpose) if campaign else None
    chapters = [Chapter.of("The campaign", _about(ask, campaign, run, plan))]
    member = _member(ask, plan)
    enrolment = _enrolment(ask, run)
    if member is None and enrolment is None:
        headline = "Got nothing: was not in the audience." if plan is not None else "Got nothing: it has not been planned yet."  # fmt: skip
        facts = (
            audience_facts(ask, campaign, plan.planned_at if plan is not None else None) if campaign else []
        )
        note = (
            "What the customer's attributes were on the day of the plan is not kept; conditions are asked of what is "
            "stored as of now."
        )
        chapters.append(Chapter.of("The audience", [*facts, Fact("as of now", note)]))
        chapters += _elsewhere(ask, name, run)
        return headline, chapters
    chapters.append(Chapter.of("The plan", _planned(ask, campaign, member, enrolment, plan)))
    messages = messages_of(ask, [enrolment.id] if enrolment is not None else [])
    if member is not None and member.refusal_code:
        facts = _refused(ask, campaign, purpose, member, plan)
        chapters.append(Chapter.of("The rules", facts))
        return f"Got nothing: {headline_words(member.refusal_code)}", chapters + _elsewhere(ask, name, run)
    if messages and campaign is not None:
        first = enrolment.anchor_at if enrolment is not None else None
        facts = leg_facts(ask, campaign, purpose, messages, run=run, first=first)
        chapters.append(
            Chapter.of("The message" if len(messages) == 1 else "The messages, leg by leg", facts)
        )
    if enrolment is not None and campaign is not None and enrolment.arm not in ("copy", "control"):
        chapters.append(Chapter.of("Since then", [goal_fact(ask, campaign.goal, enrolment.anchor_at)]))
    chapters += _elsewhere(ask, name, run)
    return _headline(ask, member, enrolment, messages, run), chapters


def _about(ask: Inquiry, campaign: Campaign | None, run: Any, plan: Any) -> list[Fact]:
    found = []
    if campaign is not None:
        purpose = ask.definitions.policies.purpose(campaign.purpose)
        kind = f", class {purpose.message_class}" if purpose else ""
        topic = f", topic {campaign.topic}" if campaign.topic else ""
        found.append(Fact("purpose", f"{campaign.purpose}{kind}{topic}, priority {campaign.priority}"))
    if run is not None:
        when = "" if run.occurrence == "once" else f" of {run.occurrence}"
        why = f" ({run.pause_reason})" if run.state == "paused" and run.pause_reason else ""
        found.append(
            Fact(
                "run",
                f"run {run.id}{when}, {run.state}{why}; approved by {run.approved_by or 'nobody'} on "
                f"{ask.when(run.approved_at)}",
                at=run.approved_at,
                data={"run": run.id, "occurrence": run.occurrence, "state": run.state},
            )
        )
    elif plan is not None:
        found.append(Fact("run", "it was planned and has not been run"))
    if plan is not None:
        found.append(
            Fact("plan", f"plan {plan.hash} of {ask.when(plan.planned_at)}", at=plan.planned_at, data={"plan": plan.hash})
        )  # fmt: skip
    return found


def _planned(ask: Inquiry, campaign: Campaign | None, member: Any, enrolment: Any, plan: Any) -> list[Fact]:
    found = []
    if member is not None and member.refusal_code:
        found.append(Fact("plan", "was in the audience and was refused, so drawn into no arm", AGAINST))
        return found
    arm = enrolment.arm if enrolment is not None else member.arm
    variant = enrolment.variant if enrolment is not None else member.variant
    if campaign is not None:
        found += campaign_arm(ask, campaign, arm, variant, plan)
    if member is not None and member.channel and arm == "treated":
        place = f", place {member.leg + 1} of `via`" if member.leg is not None else ""
        found.append(
            Fact("channel", f"{by_channel(ask.definitions, member.channel)}{place}: the first that reaches the customer", PASSED)
        )  # fmt: skip
    if member is not None and member.refusal_rule and not member.refusal_code:
        found.append(Fact("again", f"let in by “again: for {member.refusal_rule}”", PASSED))
    if enrolment is not None:
        found.append(Fact("hour", f"counted from {ask.when(enrolment.anchor_at)}", at=enrolment.anchor_at))
    return found


def _refused(ask: Inquiry, campaign: Campaign | None, purpose: Purpose | None, member: Any, plan: Any) -> list[Fact]:  # fmt: skip
    """Say each rule asked while planning, for the channel that the author wanted first."""
    code, at = member.refusal_code, plan.planned_at
    found: list[Fact] = []
    if campaign is not None and purpose is not None:
        kinds = dict.fromkeys(leg.kind for leg in legs_of(campaign, ask.definitions))
        for kind in kinds:
            legs = [
                permission.address_fact(ask, kind, at),
                permission.consent_fact(ask, kind, purpose, campaign.topic, at),
                *country_facts(ask, purpose, kind, campaign.via),
            ]
            # Each channel speaks for itself; the code stored is that of the one wanted first.
            found += [replace(one, text=f"{_named(kind)}: {one.text}") for one in legs]
        found += [cap_fact(ask, purpose, at, None, None), account_fact(ask, purpose, at, None)]
    if code == "same_address":
        found += _same_address(ask, member, plan)
    if code == "again":
        found += _earlier(ask, plan)
    told = refusal_facts(code, member.refusal_rule, planning=True)
    if rule_named(code) in ("address", "consent", "country"):
        return [*found, *told]
    return [*[one for one in judged(found, code, None) if one.what not in ("refused", "to do")], *told]


def _same_address(ask: Inquiry, member: Any, plan: Any) -> list[Fact]:
    """Say who of those sharing an address gets the message."""
    customers = people.customers
    hashes = [(name, ask.person.hashes.get(kind)) for kind, name in ADDRESS_COLUMNS.items()]
    same = [customers.c[f"{name}_hash"] == one for name, one in hashes if one]
    if not same:
        return []
    row = ask.connection.execute(
        sa.select(customers.c.key)
        .select_from(_members.join(customers, customers.c.id == _members.c.customer_id))
        .where(
            _members.c.plan_id == plan.id,
            _members.c.refusal_code.is_(None),
            _members.c.customer_id != ask.person.id,
            sa.or_(*same),
        )
        .order_by(customers.c.id)
        .limit(1)
    ).first()
    return [] if row is None else [Fact("one each", f"{row.key} has the same address and is written to", AGAINST, data={"customer": row.key})]  # fmt: skip


def _earlier(ask: Inquiry, plan: Any) -> list[Fact]:
    """Say the earlier runs of the campaign that the customer was in."""
    rows = ask.connection.execute(
        sa.select(_runs.c.occurrence, _enrolments.c.anchor_at, _enrolments.c.arm)
        .select_from(_enrolments.join(_runs, _runs.c.id == _enrolments.c.run_id))
        .where(
            _runs.c.campaign == plan.campaign,
            _enrolments.c.customer_id == ask.person.id,
            _enrolments.c.planned_at <= plan.planned_at,
        )
        .order_by(_enrolments.c.anchor_at.desc())
    ).all()
    if not rows:
        return []
    last = rows[0]
    return [
        Fact("again", f"had it on {ask.when(last.anchor_at)} ({last.arm}), {len(rows)} times so far", AGAINST, last.anchor_at)
    ]  # fmt: skip


def _elsewhere(ask: Inquiry, name: str, run: Any) -> list[Chapter]:
    """Say the other runs of the campaign that the customer was in, and occurrences that nobody got."""
    rows = ask.connection.execute(
        sa.select(_runs.c.id, _runs.c.occurrence, _enrolments.c.arm, _enrolments.c.anchor_at)
        .select_from(_enrolments.join(_runs, _runs.c.id == _enrolments.c.run_id))
        .where(
            _runs.c.campaign == name,
            _enrolments.c.customer_id == ask.person.id,
            _runs.c.id != (run.id if run is not None else -1),
        )
        .order_by(_enrolments.c.anchor_at.desc())
        .limit(10)
    ).all()
    facts = [
        Fact("run", f"run {row.id} of {row.occurrence}: {row.arm}, counted from {ask.when(row.anchor_at)}", at=row.anchor_at)
        for row in rows
    ]  # fmt: skip
    facts += occasion_facts(ask, name)
    return [Chapter.of("Other times", facts)] if facts else []


def _headline(ask: Inquiry, member: Any, enrolment: Any, messages: list[Any], run: Any) -> str:
    arm = enrolment.arm if enrolment is not None else member.arm
    if arm == "holdout":
        return "Got nothing: held out for comparison."
    if arm == "control":
        return "Got nothing: in the global control, which stands outside every campaign of this class."
    if not messages:
        if run is None:
            return "Will be written to when the campaign is run."
        account = f" of {ask.person.account}" if ask.person.account else ""
        return f"Got no message of their own: somebody else{account} stands for the account."
    last = messages[-1]
    by = by_channel(ask.definitions, last.channel)
    if last.state == "refused":
        return f"Got nothing: {headline_words(last.refusal_code or '')}"
    copied = "A copy" if arm == "copy" else "The message"
    at = last.accepted_at or last.finished_at
    return f"{copied} {by} {state_words(last.state)}{f' on {ask.when(at)}' if at else ''}."


def _member(ask: Inquiry, plan: Any) -> Any:
    if plan is None:
        return None
    return ask.connection.execute(
        sa.select(_members).where(_members.c.plan_id == plan.id, _members.c.customer_id == ask.person.id)
    ).first()


def _enrolment(ask: Inquiry, run: Any) -> Any:
    if run is None:
        return None
    return ask.connection.execute(
        sa.select(_enrolments)
        .where(_enrolments.c.run_id == run.id, _enrolments.c.customer_id == ask.person.id)
        .order_by(_enrolments.c.entry)
        .limit(1)
    ).first()


def _named(kind: str) -> str:
    return {"email": "e-mail", "sms": "SMS", "fax": "fax"}.get(kind, kind)
