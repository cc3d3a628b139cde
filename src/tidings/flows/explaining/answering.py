"""One question answered from stored rows: whom it is about, by which definitions, in which chapters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.hours import zone_words
from tidings.clock import Clock
from tidings.definitions.hashing import definition_hash
from tidings.definitions.workspace import Definitions
from tidings.delivery.recorded import recorded
from tidings.errors import StoreError, UsageError
from tidings.flows.explaining.campaign import campaign_chapters
from tidings.flows.explaining.facts import Chapter, Explanation, Fact, Inquiry
from tidings.flows.explaining.finding import find_person, find_subject
from tidings.flows.explaining.journeys import flow_chapters
from tidings.flows.explaining.limits import zones_now
from tidings.flows.explaining.occasions import decided_facts
from tidings.flows.explaining.timeline import everything
from tidings.store.database import Store
from tidings.store.tables import sending

_runs, _plans = sending.runs, sending.plans


def explain(
    store: Store, definitions: Definitions, customer: str, about: str = "", *, clock: Clock, run_id: int | None = None
) -> Explanation:  # fmt: skip
    """Say why a customer got what they got of a campaign or flow, or nothing; without one, everything that touched them.

    `customer` is a key, an e-mail address or a telephone number. `run_id` names an earlier run of the campaign. Raises
    UsageError for a customer, a name or a run that there is not.
    """
    with store.read() as connection:
        person = find_person(connection, customer, definitions)
        ask = Inquiry(connection, person, definitions, definitions, clock.now())
        who = Chapter.of("The customer", _who(ask))
        if not about:
            facts = everything(ask)
            headline = f"{len(facts):,} things are stored."
            return _explanation(ask, "", "everything", "", headline, [who, Chapter.of("Time line", facts)])
        kind = find_subject(connection, definitions, about)
        run = _run(connection, about, run_id)
        plan = _plan(connection, about, run)
    used, notes = _used(store, definitions, about, run, plan)
    with store.read() as connection:
        ask = replace(ask, connection=connection, definitions=used)
        if kind == "flow":
            flow = used.flows.get(about)
            headline, chapters = flow_chapters(ask, flow, run)
            title = flow.title if flow else about
        else:
            campaign = used.campaigns.get(about)
            headline, chapters = campaign_chapters(ask, campaign, about, run, plan)
            title = campaign.title if campaign else about
        notes = [*decided_facts(ask, about), *notes]
    if notes:
        chapters[0] = Chapter(chapters[0].title, (*chapters[0].facts, *notes))
    return _explanation(ask, about, kind, title, headline, [who, *chapters])


def _explanation(
    ask: Inquiry, about: str, kind: str, title: str, headline: str, chapters: list[Chapter]
) -> Explanation:
    return Explanation(
        ask.person, about, kind, title, headline, tuple(chapters), ask.now, ask.today.workspace.zone
    )


def _who(ask: Inquiry) -> list[Fact]:
    person = ask.person
    if person.tombstoned_at is not None:
        return [Fact("erased", f"was erased on {ask.when(person.tombstoned_at)}", at=person.tombstoned_at)]
    merged = []
    if person.merged_at is not None:
        text = f"was merged into {person.merged_into} on {ask.when(person.merged_at)}; ask about that one"
        merged = [Fact("merged", text, at=person.merged_at)]
    names = {"email": "e-mail", "sms": "telephone", "fax": "fax"}
    reached = [f"{names[kind]} {address}" for kind, address in person.addresses.items() if address]
    where = f"zone {zone_words(' '.join(zones_now(ask)))}"
    spoken = ", ".join(filter(None, (person.locale and f"locale {person.locale}", person.country and f"country {person.country}", where)))  # fmt: skip
    found = [*merged, Fact("addresses", "; ".join(reached) or "none is known"), Fact("place", spoken)]
    if person.account:
        found.append(Fact("account", person.account))
    return found


def _run(connection: sa.Connection, name: str, run_id: int | None) -> Any:
    """Return the row of the run that is asked for, the latest where none is named."""
    query = sa.select(_runs).where(_runs.c.campaign == name, _runs.c.kind != "experiment")
    if run_id is not None:
        found = connection.execute(query.where(_runs.c.id == run_id)).first()
        if found is None:
            raise UsageError(f"{name} has no run {run_id}", what_to_do="`tidings runs` lists the runs")
        return found
    return connection.execute(query.order_by(_runs.c.created_at.desc(), _runs.c.id.desc()).limit(1)).first()


def _plan(connection: sa.Connection, name: str, run: Any) -> Any:
    if run is not None:
        return (
            None
            if run.plan_id is None
            else connection.execute(sa.select(_plans).where(_plans.c.id == run.plan_id)).first()
        )
    return connection.execute(
        sa.select(_plans)
        .where(_plans.c.campaign == name, _plans.c.state != "filling")
        .order_by(_plans.c.planned_at.desc(), _plans.c.id.desc())
        .limit(1)
    ).first()


def _used(
    store: Store, definitions: Definitions, name: str, run: Any, plan: Any
) -> tuple[Definitions, list[Fact]]:
    """Return the definitions that decided, and what has to be said where they cannot be had."""
    if run is not None:
        try:
            return recorded(store, run.id).definitions, []
        except (StoreError, UsageError):
            note = "what the run recorded cannot be read, so rules are told as the files say them now"
            return definitions, [Fact("note", note)]
    known = name in definitions.campaigns or name in definitions.flows
    if plan is not None and known and definition_hash(definitions, name) != plan.definition_hash:
        note = "the files were changed since the plan, and a plan keeps none; rules are told as they say now"
        return definitions, [Fact("note", note)]
    return definitions, []
