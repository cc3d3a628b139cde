"""A shop whose truth is known: campaigns that were drawn by lot, who bought because of them and who would have anyway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import sqlalchemy as sa

from support.measured import CAMPAIGN, definitions_with
from support.stores import START
from tidings.clock import to_micros
from tidings.definitions.kinds.campaign import Campaign, Goal, Holdout, Variant
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.measuring import Attribution
from tidings.definitions.values import Duration, Money, Share, Unit
from tidings.definitions.workspace import Definitions
from tidings.measurement.attribution.answer import Answer, Period
from tidings.measurement.attribution.asking import Asked, ask, the_answer
from tidings.measurement.beside.rows import Row
from tidings.measurement.beside.table import Beside, make_beside
from tidings.measurement.conversions import conversion_versions
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending

DAY = timedelta(days=1)
OPENS, CLOSES = datetime(2027, 3, 1, tzinfo=UTC), datetime(2027, 4, 1, tzinfo=UTC)
PERIOD = Period(to_micros(OPENS), to_micros(CLOSES))
ANCHOR = OPENS + timedelta(days=3, hours=9)
NOW = datetime(2027, 5, 1, tzinfo=UTC)
RULE = Attribution("Credit", ("order_placed",), model="last", touches=("clicked", "visited", "redeemed"))
EMAIL = Channel("email", "E-mail", "channels/email.yaml", "smtp", "email")
SMS = Channel("sms", "SMS", "channels/sms.yaml", "twilio", "sms", cost=Money(6, "EUR"), cost_unit="segment")


@dataclass
class Planted:
    """One run of a campaign: so many treated and held out, and how they buy.

    `base` is the chance of an order without it, `lift` what it adds; `clicks` is the share of those who buy, and click
    before. `of` names who may be in it: the same customers in several runs, or others.
    """

    campaign: str = "spring"
    treated: int = 400
    held: int = 100
    base: float = 0.2
    lift: float = 0.1
    clicks: float = 1.0
    first: int = 1
    anchor: datetime = ANCHOR
    variants: tuple[str, ...] = ()
    channels: dict[str, str] = field(default_factory=dict)
    amounts: tuple[int, int] = (1_000, 9_000)
    currency: str = "EUR"
    sent: bool = True
    kind: str = "campaign"
    run: int = 0
    bought: dict[str, list[int]] = field(default_factory=dict)

    @property
    def customers(self) -> range:
        """Return who is in it, the treated first."""
        return range(self.first, self.first + self.treated + self.held)


def campaign(name: str = "spring", *, held: int = 2000, **changes: object) -> Campaign:
    """Return a campaign with a window of two weeks, a holdout of so many in 10,000, and no variants."""
    plain = replace(
        CAMPAIGN,
        id=name,
        title=name.capitalize(),
        path=f"campaigns/{name}.yaml",
        variants=(),
        holdout=Holdout(Share(held)),
        goal=Goal("order_placed", Duration(14, Unit.DAY), worth="revenue"),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def with_variants(name: str, *variants: str, held: int = 2000) -> Campaign:
    """Return a campaign with variants."""
    return campaign(name, held=held, variants=tuple(Variant(one) for one in variants))


def shop(*campaigns: Campaign, rule: Attribution | None = RULE, root: str = "") -> Definitions:
    """Return a workspace with these campaigns, e-mail without a price and text messages at 6 cents."""
    return replace(
        definitions_with(None),
        attribution=rule,
        campaigns={one.id: one for one in campaigns},
        channels={"email": EMAIL, "sms": SMS},
        root=root,
    )


class World:
    """A store that is filled run by run."""

    def __init__(self, store: Store, definitions: Definitions, seed: int = 1) -> None:
        self.store, self.definitions = store, definitions
        self.dice = np.random.default_rng(seed)
        self._events = self._message = 0
        with store.durable("seed") as connection:
            self._name = connection.execute(
                people.event_names.insert().values(name="order_placed")
            ).inserted_primary_key[0]
            self._known: set[int] = set()

    def add(self, planted: Planted) -> Planted:
        """Store a run with its enrolments, messages, touches and orders; `bought` is the amounts by arm."""
        self.add_all([planted])
        return planted

    def add_all(self, planted: Sequence[Planted]) -> None:
        """Store many runs in one go."""
        now = to_micros(START)
        self.people([who for one in planted for who in one.customers])
        enrolled, orders, touches = [], [], []
        with self.store.durable("seed") as connection:
            for one in planted:
                one.run = connection.execute(
                    sending.runs.insert().values(
                        campaign=one.campaign, occurrence=f"{one.anchor} {one.first}", kind=one.kind, definition_hash="",
                        policy_hash="", salt="", state="sending", anchor_at=to_micros(one.anchor), created_at=now, bounds={},
                    )
                ).inserted_primary_key[0]  # fmt: skip
                made, bought, met = self._draw(one)
                enrolled += made
                orders += bought
                touches += met
            insert_rows(
                connection,
                sending.enrolments,
                [(*row, now) for row in enrolled],
                ["run_id", "customer_id", "entry", "arm", "variant", "anchor_at", "planned_at"],
            )
            self._send(connection, {one.run: one for one in planted if one.sent})
        self.orders(orders)
        self.touches(touches)

    def _draw(self, one: Planted) -> tuple[list, list, list]:
        customers = one.customers
        arms = ["treated"] * one.treated + ["holdout"] * one.held
        variants = [
            one.variants[n % len(one.variants)] if one.variants and arm == "treated" else None
            for n, arm in enumerate(arms)
        ]
        at = to_micros(one.anchor)
        enrolled = [
            (one.run, who, 0, arm, variant, at)
            for who, arm, variant in zip(customers, arms, variants, strict=True)
        ]
        chance = np.where(np.array(arms) == "treated", one.base + one.lift, one.base)
        buys = self.dice.random(len(arms)) < chance
        orders, touches = [], []
        for place in np.flatnonzero(buys):
            who, arm = customers[place], arms[place]
            when = one.anchor + float(self.dice.uniform(1, 13)) * DAY
            amount = int(self.dice.integers(*one.amounts))
            orders.append((who, when, amount, one.currency))
            one.bought.setdefault(arm, []).append(amount)
            if arm == "treated" and self.dice.random() < one.clicks:
                channel = one.channels.get(variants[place] or "", "email")
                touches.append((who, channel, one.campaign, "clicked", when - timedelta(hours=2)))
        return enrolled, orders, touches

    def _send(self, connection: sa.Connection, runs: dict[int, Planted]) -> None:
        drawn = sending.enrolments.c
        rows = connection.execute(
            sa.select(drawn.id, drawn.customer_id, drawn.variant, drawn.run_id, drawn.anchor_at).where(
                drawn.run_id.in_(list(runs)), drawn.arm == "treated"
            )
        ).all()
        insert_rows(
            connection,
            sending.messages,
            [
                (
                    run,
                    enrolment,
                    who,
                    runs[run].channels.get(variant or "", "email"),
                    variant,
                    "accepted",
                    True,
                    at,
                    at,
                )
                for enrolment, who, variant, run, at in rows
            ],
            [
                "run_id",
                "enrolment_id",
                "customer_id",
                "channel",
                "variant",
                "state",
                "is_open",
                "due_at",
                "accepted_at",
            ],
        )

    def people(self, customers: Sequence[int]) -> None:
        """Store customers who are not there yet."""
        new = sorted(set(customers) - self._known)
        self._known.update(new)
        with self.store.durable("seed") as connection:
            insert_rows(
                connection,
                people.customers,
                [(one, f"c{one}", one * 7919, to_micros(START)) for one in new],
                ["id", "key", "u", "created_at"],
            )

    def orders(self, orders: Sequence[tuple[int, datetime, int, str]]) -> None:
        """Store orders (customer, instant, minor units, currency) and the conversions they are."""
        version = conversion_versions(self.definitions)["order_placed"]
        rows, made = [], []
        for who, when, amount, currency in orders:
            self._events += 1
            at = to_micros(when)
            rows.append(
                (self._events, self._name, who, at, at, "test", f"e{self._events}", amount, currency, "{}")
            )
            made.append(("order_placed", version, self._events, who, at, amount, currency))
        with self.store.durable("seed") as connection:
            insert_rows(
                connection,
                people.events,
                rows,
                [
                    "id",
                    "name_id",
                    "customer_id",
                    "occurred_at",
                    "received_at",
                    "source",
                    "dedupe_key",
                    "amount",
                    "currency",
                    "properties",
                ],
            )
            insert_rows(
                connection,
                answers.conversions,
                made,
                ["goal", "goal_version", "event_id", "customer_id", "at", "amount", "currency"],
            )

    def touches(self, touches: Sequence[tuple[int | None, str, str | None, str, datetime]]) -> None:
        """Store touches (customer, channel, campaign, kind, instant)."""
        with self.store.durable("seed") as connection:
            start = connection.scalar(sa.select(sa.func.count()).select_from(answers.touches)) or 0
            insert_rows(
                connection,
                answers.touches,
                [
                    (channel, name, who, kind, to_micros(when), f"t{start + number}")
                    for number, (who, channel, name, kind, when) in enumerate(touches)
                ],
                ["channel", "campaign", "customer_id", "kind", "at", "dedupe_key"],
            )

    def ask(self, period: Period = PERIOD, definitions: Definitions | None = None) -> Asked:
        """Return the question about a period."""
        return ask(self.store, definitions or self.definitions, period)

    def beside(
        self,
        by: str = "campaign",
        *,
        now: datetime = NOW,
        period: Period = PERIOD,
        definitions: Definitions | None = None,
    ) -> Beside:
        """Return the table beside the credit."""
        asked = self.ask(period, definitions)
        return make_beside(self.store, asked, self.answer(by, asked), now=now)

    def answer(self, by: str, asked: Asked) -> Answer:
        """Return the credit by the model of the workspace."""
        return the_answer(self.store, asked, by, (asked.rule.model,))

    def row(self, name: str = "spring", by: str = "campaign", **changes: object) -> Row:
        """Return one row of the table."""
        return next(one for one in self.beside(by, **changes).rows if one.name == name)  # type: ignore[arg-type]
