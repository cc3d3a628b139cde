"""Frequency caps, the limit of an account, hours, feeds, rate and budget: the values that a message was held against."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.capped import LIMITED
from tidings.campaigns.windows import clock_zones, window_of
from tidings.clock import from_micros, local_day, local_midnight, to_micros
from tidings.customers.zones import candidates, zones_of
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.rules import Cap, Purpose
from tidings.definitions.kinds.timing import WEEKDAYS
from tidings.definitions.money import format_money
from tidings.definitions.values import MILLION
from tidings.delivery.freshness import feeds_of
from tidings.flows.explaining.facts import AGAINST, PASSED, PLAIN, Fact, Inquiry
from tidings.flows.explaining.words import by_channel
from tidings.store.tables import people, sending

_use, _messages, _runs, _customers = sending.cap_use, sending.messages, sending.runs, people.customers


def cap_words(caps: Sequence[Cap]) -> str:
    """Return caps as they are written: `1 per day and 4 per week`."""
    said = []
    for cap in caps:
        per = str(cap.per.unit) if cap.per.amount == 1 else str(cap.per)
        said.append(f"{cap.count} per {per}")
    return " and ".join(said)


def cap_fact(ask: Inquiry, purpose: Purpose, at: int, run: Any, message_id: int | None) -> Fact:
    """Say the cap of a purpose, and what filled it at an instant; `run` is the row of the run that asked."""
    if not purpose.cap:
        return Fact("cap", f"the purpose {purpose.name} has none")
    day = local_day(from_micros(at), ask.zone)
    where = (_use.c.customer_id == ask.person.id, _use.c.cap == purpose.message_class)
    rows = [row for row in _reserved(ask, where, purpose.cap, day, at) if row.message_id != message_id]
    words = f"{cap_words(purpose.cap)}, for all messages of class {purpose.message_class}"
    full = _full(purpose.cap, [row.period for row in rows], day)
    rivals = [] if full or run is None else _rivals(ask, run, day)
    data = {
        "cap": cap_words(purpose.cap),
        "reservations": [_as_data(row) for row in rows],
        "rivals": [row.campaign for row in rivals],
    }
    if full:
        return Fact("cap", f"{words}; filled by {_listed(ask, rows)}", AGAINST, data=data)
    text = f"{words}; counted on {day}: {_listed(ask, rows) if rows else 'nothing else'}"
    if rivals:
        names = ", ".join(dict.fromkeys(row.campaign for row in rivals))
        text += f"; of higher priority and due that day: {names}"
        return Fact("cap", text, AGAINST, data=data)
    return Fact("cap", text, PASSED, data=data)


def account_fact(ask: Inquiry, purpose: Purpose, at: int, message_id: int | None) -> Fact:
    """Say the limit of the customer's account, and what filled it at an instant."""
    caps = ask.definitions.policies.account_limit
    if not caps or purpose.message_class not in LIMITED or ask.person.account is None:
        why = "the customer belongs to no account" if caps and ask.person.account is None else "none applies"
        return Fact("account limit", why)
    day = local_day(from_micros(at), ask.zone)
    mates = sa.select(_customers.c.id).where(_customers.c.account == ask.person.account)
    where = (_use.c.customer_id.in_(mates), _use.c.cap.in_(LIMITED))
    rows = [row for row in _reserved(ask, where, caps, day, at) if row.message_id != message_id]
    words = f"{cap_words(caps)} for everybody of {ask.person.account}"
    data = {"limit": cap_words(caps), "reservations": [_as_data(row) for row in rows]}
    if _full(caps, [row.period for row in rows], day):
        return Fact(
            "account limit", f"{words}; filled by {_listed(ask, rows, named=True)}", AGAINST, data=data
        )
    counted = _listed(ask, rows, named=True) if rows else "nothing else"
    return Fact("account limit", f"{words}; counted on {day}: {counted}", PASSED, data=data)


def hours_fact(
    ask: Inquiry, campaign: Campaign, purpose: Purpose, channel: Channel, first: int | None, due: int | None
) -> Fact:
    """Say the window and the recipient's clock; `first` is when the message was to leave, `due` when it was put off to."""
    window = window_of(
        ask.definitions.policies,
        purpose,
        channel.kind,
        between=campaign.send_between,
        weekdays=campaign.weekdays,
        clock=campaign.clock,
    )
    said = []
    if window.quiet:
        said.append(f"quiet from {window.quiet[0]:%H:%M} to {window.quiet[1]:%H:%M}")
    if window.between:
        said.append(f"only between {window.between[0]:%H:%M} and {window.between[1]:%H:%M}")
    if window.weekdays:
        said.append("only on " + ", ".join(WEEKDAYS[day] for day in window.weekdays))
    put_off = first is not None and due is not None and due > first
    waited = f"; put off from {ask.when(first)} to {ask.when(due)}" if put_off else ""
    if not window.needs_zone:
        return Fact("hours", f"no hours restrict it{waited}", PLAIN)
    zones = zones_now(ask)
    places = clock_zones(zones, channel.kind, ask.definitions.workspace.zone)
    where = _where(ask, zones, places)
    text = f"{' and '.join(said) or 'the hour written'}, on the recipient's clock: {where}{waited}"
    data = {
        "quiet": [f"{hour:%H:%M}" for hour in window.quiet] if window.quiet else None,
        "zones": list(zones),
        "put_off_to": ask.when(due) if put_off else None,
    }
    return Fact("hours", text, PASSED if places else AGAINST, due if put_off else None, data)


def feed_fact(ask: Inquiry, campaign: Campaign, at: int) -> Fact:
    """Say how old what the message was chosen by was, at an instant."""
    feeds = feeds_of(ask.today, campaign, ask.definitions)
    if not feeds:
        return Fact("feed", "no import that must be fresh is used")
    imports, said, old = people.imports, [], False
    for feed in feeds:
        last = ask.connection.execute(
            sa.select(sa.func.max(imports.c.updated_at)).where(
                imports.c.mapping == feed.mapping, imports.c.state == "finished", imports.c.updated_at <= at
            )
        ).scalar()
        hours = f"{feed.longest / timedelta(hours=1):g} hours at most"
        old = old or last is None or from_micros(at) - from_micros(last) > feed.longest
        said.append(f"{feed.mapping} ({hours}) was last brought in {'on ' if last else ''}{ask.when(last)}")
    return Fact("feed", "; ".join(said), AGAINST if old else PASSED)


def rate_fact(channel: Channel) -> Fact:
    """Say how fast the channel may send."""
    if channel.rate_per_second is None:
        return Fact("rate", f"{channel.id} has none")
    return Fact(
        "rate", f"{channel.id} sends at most {float(channel.rate_per_second * 3600):,.0f} an hour", PASSED
    )


def budget_fact(run: Any, refused: bool) -> Fact:
    """Say the budget of a run and what is spent of it now."""
    budget = (run.bounds or {}).get("budget") if run is not None else None
    if budget is None:
        return Fact("budget", "the run has none")
    currency = run.bounds.get("budget_currency") or run.bounds.get("currency") or "EUR"
    spent = run.spent // MILLION + run.bounds.get("fixed", 0)
    text = f"{format_money(budget, currency)}, of which {format_money(spent, currency)} is spent by now"
    return Fact("budget", text, AGAINST if refused else PASSED)


def _reserved(ask: Inquiry, where: Sequence[sa.ColumnElement[bool]], caps: Sequence[Cap], day: date, at: int) -> list[Any]:  # fmt: skip
    """Return the reservations that counted on a day, as they were at an instant."""
    since = day - timedelta(days=max(cap.days for cap in caps) - 1)
    return list(
        ask.connection.execute(
            sa.select(
                _use.c.period, _use.c.message_id, _runs.c.campaign, _messages.c.step, _messages.c.channel, _customers.c.key
            )
            .select_from(
                _use.join(_messages, _messages.c.id == _use.c.message_id)
                .join(_runs, _runs.c.id == _messages.c.run_id)
                .join(_customers, _customers.c.id == _use.c.customer_id)
            )
            .where(
                *where,
                _use.c.period >= since.isoformat(),
                _use.c.period <= day.isoformat(),
                _use.c.reserved_at <= at,
                sa.or_(_use.c.released_at.is_(None), _use.c.released_at > at),
            )
            .order_by(_use.c.period, _use.c.message_id)
        )
    )  # fmt: skip


def _full(caps: Sequence[Cap], periods: Sequence[str], day: date) -> bool:
    return any(
        sum(one >= (day - timedelta(days=cap.days - 1)).isoformat() for one in periods) >= cap.count
        for cap in caps
    )


def _rivals(ask: Inquiry, run: Any, day: date) -> list[Any]:
    """Return messages of runs of higher priority to the customer that were due on a day."""
    first, last = local_midnight(day, ask.zone), local_midnight(day + timedelta(days=1), ask.zone)
    return list(
        ask.connection.execute(
            sa.select(_runs.c.campaign)
            .select_from(_messages.join(_runs, _runs.c.id == _messages.c.run_id))
            .where(
                _messages.c.customer_id == ask.person.id,
                _runs.c.priority > run.priority,
                _messages.c.due_at >= to_micros(first),
                _messages.c.due_at < to_micros(last),
            )
        )
    )


def _listed(ask: Inquiry, rows: Sequence[Any], *, named: bool = False) -> str:
    said = []
    for row in rows:
        step = "" if row.step == "main" else f".{row.step}"
        whom = f" to {row.key}" if named and row.key != ask.person.key else ""
        said.append(f"{row.campaign}{step} {by_channel(ask.today, row.channel)}{whom} on {row.period}")
    return ", ".join(said)


def _as_data(row: Any) -> dict[str, Any]:
    return {"campaign": row.campaign, "step": row.step, "channel": row.channel, "day": row.period, "customer": row.key}  # fmt: skip


def zones_now(ask: Inquiry) -> tuple[str, ...]:
    """Return the zones that may be the customer's, as the gate knows them: stored, else looked up by their area."""
    stored = zones_of(ask.connection, [ask.person.area])[ask.person.area]
    return stored or candidates(ask.person.area, ask.now.year)


def _where(ask: Inquiry, zones: tuple[str, ...], places: tuple[str, ...]) -> str:
    """Say which clock that is, and how it is known."""
    if not zones:
        if places:
            return f"no zone is known, so e-mail goes by {places[0]} (the workspace)"
        return "no zone is known, so it waits until one is"
    how = "written" if ask.person.zone else "by country and telephone number"
    if len(zones) == 1:
        return f"{zones[0]} ({how})"
    return f"one of {len(zones)} zones, {zones[0]} to {zones[-1]} ({how}); all must allow it"
