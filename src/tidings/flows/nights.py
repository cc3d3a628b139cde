"""What the nightly flow does, step by step: plain functions that return rows for people to read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.bought_together import is_due, learn
from tidings.clock import from_micros, to_micros
from tidings.errors import TidingsError
from tidings.flows.collecting import load_adapters
from tidings.flows.opening import Opened
from tidings.flows.round import do_round
from tidings.flows.round_parts import default_parts
from tidings.flows.tending import PASSING, Tending
from tidings.flows.work_runs import Work, owner_name
from tidings.measurement import touches
from tidings.measurement.redemptions import catch_up
from tidings.measurement.report import make_report
from tidings.responses.incoming import Incoming, house_of
from tidings.responses.networks import networks_of
from tidings.responses.reclassifying import reclassify
from tidings.segments.membership import latest_runs, refresh
from tidings.store.tables import sending

Rows = list[dict[str, Any]]
# Runs of the last so many days are reported on.
_DAYS = 30
# Receipts and orders that say who clicked come after the click, but seldom later than this.
_JUDGED_DAYS = 3


def segments_refreshed(here: Opened) -> Rows:
    """Compute every segment anew; one that cannot be computed is said in its row and stops no other."""
    definitions = here.settings.definitions
    names = [one.id for one in definitions.segments.values() if one.members == "rules"]
    work = Work(here.store, here.clock, owner_name(), "segments")
    catch_up(here.store, definitions, now=here.clock.now())
    rows: Rows = []
    for count, name in enumerate(names, 1):
        try:
            refresh(here.store, definitions, [name], now=here.clock.now())
        except TidingsError as error:
            rows.append(
                {"segment": name, "members": None, "entered": None, "left": None, "trouble": error.message}
            )
            continue
        finally:
            work.progress(count, len(names))
        with here.store.read() as connection:
            run = latest_runs(connection)[name]
        rows.append(
            {
                "segment": name,
                "members": run.members,
                "entered": run.entered,
                "left": run.left,
                "trouble": "",
            }
        )
    work.finish(f"{len(names):,} segments refreshed")
    return rows


def scores_applied(here: Opened) -> Rows:
    """Give customers every score that was trained, trained anew first where `retrain` would pass before the next night.

    A score that nobody trained yet is left to people; one that cannot be trained or applied is said in its row and stops no other.
    """
    from tidings.scores.applying import apply
    from tidings.scores.keeping import keep, latest
    from tidings.scores.standing import due
    from tidings.scores.training import train

    definitions = here.settings.definitions
    rows: Rows = []
    for name, score in sorted(definitions.scores.items()):
        now, said, trouble = here.clock.now(), "", ""
        try:
            with here.store.read() as connection:
                kept = latest(connection, name)
            if kept is None:
                rows.append(
                    {"score": name, "scored": None, "model": None, "trained": "", "trouble": "never trained"}
                )
                continue
            if due(score, kept, now, definitions, ahead=timedelta(hours=36)):
                try:
                    keep(here.store, train(here.store, definitions, name, now=now), now=to_micros(now))
                    said = "anew"
                except TidingsError as error:
                    trouble = error.message
            done = apply(here.store, definitions, name, now=now)
        except TidingsError as error:
            rows.append(
                {"score": name, "scored": None, "model": None, "trained": said, "trouble": error.message}
            )
            continue
        rows.append(
            {
                "score": name,
                "scored": done.scored,
                "model": done.hash[:12],
                "trained": said,
                "trouble": trouble,
            }
        )
    return rows


def recommendations_learnt(here: Opened) -> Rows:
    """Learn anew what is bought together and what sells best; nothing where no product has a price."""
    now = here.clock.now()
    with here.store.read() as connection:
        if not is_due(connection, now, timedelta(0)):
            return []
    learnt = learn(here.store, here.settings.definitions, now=now)
    return [{"customers": learnt.customers, "products": learnt.items, "pairs kept": learnt.pairs}]


def occurrences_planned(here: Opened) -> Rows:
    """Start every occurrence of a recurring campaign that is due, and return those of the last day and what became of them."""
    from tidings.store.tables import journeys

    part = next(one for one in default_parts() if one.name == "occurrences")
    do_round(here.settings, here.store, clock=here.clock, owner=owner_name(), parts=[part])
    since = to_micros(here.clock.now() - timedelta(days=1))
    found = journeys.occurrences
    with here.store.read() as connection:
        rows = connection.execute(
            sa.select(found).where(found.c.due_at >= since).order_by(found.c.due_at, found.c.campaign)
        ).all()
    return [
        {
            "campaign": row.campaign,
            "occurrence": row.occurrence,
            "state": row.state,
            "reason": row.reason or "",
        }
        for row in rows
    ]


def receipts_collected(here: Opened) -> Rows:
    """Ask every channel once what became of its messages, and return what the ledger knows of the last days."""
    said: list[str] = []
    incoming = Incoming(here.store, house_of(here.settings.definitions))
    adapters = load_adapters(here.settings, said.append)
    try:
        Tending(here.settings, here.store, adapters, incoming, clock=here.clock, say=said.append).once()
    except PASSING as error:
        said.append(getattr(error, "message", "") or str(error))
    messages, runs = sending.messages, sending.runs
    since = to_micros(here.clock.now() - timedelta(days=_DAYS))
    query = (
        sa.select(messages.c.channel, messages.c.state, sa.func.count().label("count"))
        .where(messages.c.run_id.in_(sa.select(runs.c.id).where(runs.c.created_at >= since)))
        .group_by(messages.c.channel, messages.c.state)
        .order_by(messages.c.channel, messages.c.state)
    )
    with here.store.read() as connection:
        rows = connection.execute(query).all()
    counted: Rows = [{"channel": row.channel, "state": row.state, "messages": row.count} for row in rows]
    return counted + [{"channel": words, "state": "trouble", "messages": 0} for words in said]


def hits_judged(here: Opened) -> Rows:
    """Judge the opens and clicks of the last three days again, and bring the touches up to date with what is known of them.

    A receipt of delivery that was stored after its hit, and orders that came by file, count from then on.
    """
    definitions, now = here.settings.definitions, here.clock.now()
    found = reclassify(
        here.store,
        since=to_micros(now - timedelta(days=_JUDGED_DAYS)),
        networks=networks_of(definitions.root),
    )
    touched = touches.refresh(here.store, definitions, now=now)
    counts = {
        "responses looked at": found.responses,
        "judged otherwise than before": found.changed,
        "judged for the first time": found.added,
        "customers who clicked, before": found.customers["clicked"].before,
        "customers who clicked, now": found.customers["clicked"].after,
        "touches added": touched.added,
        "touches taken away": touched.removed,
    }
    return [{"what": what, "count": count} for what, count in counts.items()]


def runs_reported(here: Opened) -> Rows:
    """Return what each campaign of the last days caused, in words; what cannot be reported says why."""
    runs = sending.runs
    since = to_micros(here.clock.now() - timedelta(days=_DAYS))
    with here.store.read() as connection:
        found = connection.execute(
            sa.select(runs.c.id, runs.c.campaign, runs.c.occurrence, runs.c.anchor_at, runs.c.state)
            .where(runs.c.anchor_at >= since, runs.c.kind != "experiment")
            .order_by(runs.c.anchor_at, runs.c.id)
        ).all()
    rows: Rows = []
    for run in found:
        row = {
            "campaign": run.campaign,
            "occurrence": run.occurrence,
            "began": f"{from_micros(run.anchor_at):%Y-%m-%d}",
            "state": run.state,
        }
        try:
            report = make_report(
                here.store,
                here.settings.definitions,
                run.campaign,
                as_of=here.clock.now(),
                run_id=run.id,
            )
            words = "; ".join(report.words() or report.warnings) or "nothing to say yet"
        except TidingsError as error:
            words = error.message
        rows.append({**row, "result": words})
    return rows
