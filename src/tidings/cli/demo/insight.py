"""What the demo learns from what happened: codes that came back, ads that cost, credit, and a score."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from tidings.campaigns.pools import make_codes, pools
from tidings.cli.demo import ads, answers, coupons
from tidings.cli.demo.people import Person, person
from tidings.cli.demo.shop import LIKELY
from tidings.cli.demo.stage import Stage
from tidings.clock import SystemClock
from tidings.config.settings import ROOT_VARIABLE
from tidings.customers.importing import import_file
from tidings.errors import TidingsError
from tidings.measurement import redemptions
from tidings.segments.membership import refresh, stored_members
from tidings.store.tables import people

SCORE = "repeat_purchase"


def fill_pool(stage: Stage) -> None:
    """Make a code for everybody."""
    session, count = stage.session, stage.customers
    with stage.phases.phase(
        "Codes", f"tidings codes make {coupons.POOL} {count} --prefix {coupons.PREFIX}"
    ) as part:
        made = make_codes(
            session.store,
            coupons.POOL,
            count,
            prefix=coupons.PREFIX,
            actor="demo",
            now=session.clock.now(),
        )
        part.count, part.unit = made.added, "codes"


def import_ads(stage: Stage, run_id: int) -> None:
    """Take in whom ads reached and what they cost, from the files of those who sold them."""
    session = stage.session
    anchor = answers.anchor_of(session.store, run_id)
    for name, mapping, write in (
        ("ads", "ad_touches", ads.write_ads),
        ("ad_costs", "yandex_costs", ads.write_costs),
    ):
        path = session.settings.root / f"{name}.csv"
        write(path, anchor, stage.customers)
        definitions = session.settings.definitions
        with stage.phases.phase(
            f"Import {name.replace('_', ' ')}", f"tidings import {path.name} --as {mapping}"
        ) as part:
            result = import_file(session.store, definitions, definitions.imports[mapping], path)
            part.count, part.unit = result.rows, "rows"


def redeem(stage: Stage) -> None:
    """Judge the codes that came back with orders."""
    session = stage.session
    with stage.phases.phase("Codes that came back", "tidings codes") as part:
        redemptions.refresh(session.store, session.settings.definitions, now=SystemClock().now())
        with session.store.read() as connection:
            (pool,) = [one for one in pools(connection) if one.name == coupons.POOL]
        part.count, part.unit = pool.redeemed, "redeemed"
        stage.console.print(f"  {pool.reserved:,} codes given to one customer each, {pool.redeemed:,} used")


def ask(stage: Stage, *words: str, name: str) -> None:
    """Run a command of ours as its reader would, two weeks after the campaign."""
    from tidings.cli.main import execute

    with stage.phases.phase(name, " ".join(("tidings", *words))):
        before = os.environ.get(ROOT_VARIABLE)
        os.environ[ROOT_VARIABLE] = str(stage.session.settings.root.resolve())
        try:
            code = execute(words)
        finally:
            if before is None:
                del os.environ[ROOT_VARIABLE]
            else:
                os.environ[ROOT_VARIABLE] = before
    if code:
        raise TidingsError(f"`tidings {' '.join(words)}` ended with exit code {code}")


def paper(stage: Stage, campaign: str) -> None:
    """Put the campaign, and the company, on paper."""
    root = stage.session.settings.root
    for words, name in (((campaign,), "The campaign on paper"), (("--all",), "The manager's page")):
        ask(stage, "report", *words, "--html", "--pdf", "--out", str(root), name=name)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Customers by what was planted: orders a year of those chosen, of all who could be, and of the best so many."""

    count: int
    chosen: float
    every: float
    best: float


def score(stage: Stage) -> Chosen:
    """Train and apply the score, select by it, and return what the choice is worth by the truth."""
    # Learnt from the time before most of them went quiet: that they did is how the demo chose them, not their habit.
    day = f"{stage.session.clock.now() - timedelta(days=100):%Y-%m-%d}"
    ask(stage, "score", "train", SCORE, "--as-of", day, name="A score")
    ask(stage, "score", "apply", SCORE, name="Give it to everybody")
    session = stage.session
    with stage.phases.phase("Whom to ask next", f"tidings segment {LIKELY}") as part:
        found = refresh(session.store, session.settings.definitions, [LIKELY], now=SystemClock().now())[-1]
        part.count, part.unit = found.members, "members"
    customers, scores = people.customers, people.scores
    with session.store.read() as connection:
        members = _people(connection, customers.c.id.in_(stored_members(LIKELY)))
        every = _people(connection, sa.exists().where(scores.c.customer_id == customers.c.id))
    rates = sorted((one.rate for one in every), reverse=True)
    best = rates[: len(members)]
    return Chosen(
        len(members),
        sum(one.rate for one in members) / max(len(members), 1),
        sum(rates) / max(len(rates), 1),
        sum(best) / max(len(best), 1),
    )


def _people(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Person]:
    keys = connection.execute(sa.select(people.customers.c.key).where(where)).scalars()
    return [person(int(key[1:])) for key in keys]
