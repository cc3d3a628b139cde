"""A store with one campaign that has run, seeded at random, and the same facts kept in plain Python."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from support.stores import ATTRIBUTES, START
from tidings.clock import to_micros
from tidings.definitions.hashing import definition_hash
from tidings.definitions.kinds.campaign import Audience, Campaign, Goal, Holdout, Variant
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.rules import Event, EventProperty, Events, Policies, Purpose, Workspace
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.values import Duration, Share, Unit
from tidings.definitions.workspace import Definitions
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending

ANCHOR = datetime(2027, 3, 20, 9, 0, tzinfo=UTC)
AFTERWARDS = datetime(2027, 5, 1, tzinfo=UTC)
GOAL = Goal("order_placed", Duration(14, Unit.DAY), worth="revenue")
CAMPAIGN = Campaign(
    "spring",
    "Spring offer",
    "campaigns/spring.yaml",
    Audience(("everybody",)),
    "spring",
    ("email",),
    holdout=Holdout(Share(1000)),
    variants=(Variant("warm"), Variant("direct")),
    goal=GOAL,
)
_EVENTS = Events(
    (
        Event(
            "order_placed",
            "Order placed",
            (
                EventProperty("order_total", "money"),
                EventProperty("margin", "money"),
                EventProperty("category", "text"),
            ),
            revenue="order_total",
            returns="order_returned",
        ),
        Event(
            "order_returned",
            "Order returned",
            (EventProperty("order_total", "money"),),
            revenue="order_total",
        ),
    )
)


def definitions_with(campaign: Campaign | None = CAMPAIGN) -> Definitions:
    """Return a workspace with that one campaign."""
    return Definitions(
        root="",
        workspace=Workspace("test", "Test shop", "Europe/Stockholm", "salt", "EUR"),
        policies=Policies((Purpose("marketing", "marketing"),)),
        attributes=ATTRIBUTES,
        events=_EVENTS,
        segments={"everybody": Segment("everybody", "Everybody", "segments/everybody.yaml", ())},
        campaigns={campaign.id: campaign} if campaign else {},
        channels={"email": Channel("email", "E-mail", "channels/email.yaml", "email", "outbox")},
    )


@dataclass
class Happened:
    """One event of one customer, as plain data; `amount` in minor units."""

    customer: int
    name: str
    at: datetime
    amount: int | None = None
    currency: str | None = "EUR"
    properties: dict[str, object] = field(default_factory=dict)


@dataclass
class Enrolled:
    """One enrolment as plain data."""

    customer: int
    arm: str
    variant: str | None
    anchor: datetime = ANCHOR


def enrol(
    store: Store,
    enrolled: list[Enrolled],
    *,
    campaign: str = "spring",
    definition: str = "",
    kind: str = "campaign",
    plan_id: int | None = None,
    occurrence: str = "once",
) -> int:
    """Store customers, a run and enrolments (enrolment ids follow the order); return the run's id."""
    now = to_micros(START)
    with store.durable("seed") as connection:
        known = set(
            connection.execute(people.customers.select().with_only_columns(people.customers.c.id)).scalars()
        )
        insert_rows(
            connection,
            people.customers,
            [
                (one.customer, f"c{one.customer}", one.customer * 7919, now)
                for one in enrolled
                if one.customer not in known
            ],
            ["id", "key", "u", "created_at"],
        )
        run_id = connection.execute(
            sending.runs.insert().values(
                campaign=campaign,
                occurrence=occurrence,
                kind=kind,
                plan_id=plan_id,
                definition_hash=definition,
                policy_hash="",
                salt="",
                state="sending",
                anchor_at=to_micros(ANCHOR),
                created_at=now,
                bounds={},
            )
        ).inserted_primary_key[0]
        insert_rows(
            connection,
            sending.enrolments,
            [(run_id, one.customer, 0, one.arm, one.variant, to_micros(one.anchor), now) for one in enrolled],
            ["run_id", "customer_id", "entry", "arm", "variant", "anchor_at", "planned_at"],
        )
    return int(run_id)


def happen(store: Store, happened: list[Happened]) -> None:
    """Store events."""
    with store.durable("seed") as connection:
        ids = {name: key for key, name in connection.execute(people.event_names.select())}
        for name in sorted({one.name for one in happened} - set(ids)):
            ids[name] = connection.execute(
                people.event_names.insert().values(name=name)
            ).inserted_primary_key[0]
        insert_rows(
            connection,
            people.events,
            [
                (
                    ids[one.name],
                    one.customer,
                    to_micros(one.at),
                    to_micros(one.at),
                    "test",
                    f"{place}",
                    one.amount,
                    one.currency,
                    one.properties,
                )
                for place, one in enumerate(happened)
            ],
            [
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


def plan(store: Store, share: int, refused: dict[str, int] | None = None) -> int:
    """Store a plan with its holdout share and refused members (fresh customers); return its id."""
    now = to_micros(START)
    with store.durable("seed") as connection:
        plan_id = connection.execute(
            sending.plans.insert().values(
                hash="abc",
                campaign="spring",
                occurrence="once",
                definition_hash="",
                planned_at=now,
                anchor_at=to_micros(ANCHOR),
                salt="",
                state="used",
                summary={"holdout": {"share": share}},
            )
        ).inserted_primary_key[0]
        number = 900_000
        for code, count in (refused or {}).items():
            for _ in range(count):
                number += 1
                connection.execute(
                    people.customers.insert().values(id=number, key=f"r{number}", u=number, created_at=now)
                )
                connection.execute(
                    sending.plan_members.insert().values(
                        plan_id=plan_id, customer_id=number, refusal_code=code
                    )
                )
    return int(plan_id)


def outcomes(store: Store, rows: list[tuple[int, str, str, float, str | None]]) -> None:
    """Store outcomes: (enrolment id, metric, phase, value, currency)."""
    with store.durable("seed") as connection:
        insert_rows(
            connection, answers.outcomes, rows, ["enrolment_id", "metric", "phase", "value", "currency"]
        )


def draw(
    seed: int, n: int, *, holdout: float = 0.1, variants: tuple[str, ...] = ("warm", "direct")
) -> list[Enrolled]:
    """Return enrolments drawn at random."""
    dice = random.Random(seed)
    return [
        Enrolled(number, "holdout", None)
        if dice.random() < holdout
        else Enrolled(number, "treated", dice.choice(variants) if variants else None)
        for number in range(1, n + 1)
    ]


def behave(seed: int, enrolled: list[Enrolled], *, lift: float = 0.1) -> list[Happened]:
    """Return orders and returns around the anchor, some of them exactly on the borders of the window."""
    dice = random.Random(seed)
    borders = [timedelta(0), timedelta(days=14), timedelta(days=-14), timedelta(microseconds=-1)]
    # The clocks go forward on 28 March: fourteen days on the wall are an hour less.
    borders += [timedelta(days=14, hours=-1), timedelta(days=14, hours=-1, microseconds=-1)]
    found: list[Happened] = []
    for one in enrolled:
        for _ in range(dice.choice([0, 0, 1, 2, 3])):
            after = timedelta(seconds=dice.randint(-20 * 86_400, 20 * 86_400))
            if dice.random() < 0.15:
                after = dice.choice(borders)
            category = dice.choice(["garden", "tools", None])
            properties: dict[str, object] = {"margin": dice.randint(0, 2_000)}
            if category:
                properties["category"] = category
            found.append(
                Happened(
                    one.customer,
                    "order_placed",
                    one.anchor + after,
                    dice.randint(100, 20_000),
                    "EUR",
                    properties,
                )
            )
        if one.arm == "treated" and dice.random() < lift:
            found.append(
                Happened(
                    one.customer, "order_placed", one.anchor + timedelta(days=dice.randint(1, 13)), 5_000
                )
            )
        if dice.random() < 0.1:
            amount = dice.randint(100, 5_000) * dice.choice([1, -1])
            found.append(
                Happened(
                    one.customer, "order_returned", one.anchor + timedelta(days=dice.randint(-15, 15)), amount
                )
            )
    return found


def run_seeded(
    store: Store, seed: int = 1, n: int = 600, campaign: Campaign = CAMPAIGN
) -> tuple[int, Definitions]:
    """Store a plan, a run and behaviour; return the run's id and the definitions."""
    definitions = definitions_with(campaign)
    enrolled = draw(seed, n, variants=tuple(variant.name for variant in campaign.variants))
    run_id = enrol(
        store, enrolled, plan_id=plan(store, 1000), definition=definition_hash(definitions, campaign.id)
    )
    happen(store, behave(seed, enrolled))
    return run_id, definitions


def without(campaign: Campaign, **changes: object) -> Campaign:
    """Return the campaign with some fields changed."""
    return replace(campaign, **changes)  # type: ignore[arg-type]


def send(store: Store, run_id: int, state: object) -> list[tuple[int, str, str]]:
    """Write a message for each treated enrolment; return (message id, arm, state)."""
    now = to_micros(ANCHOR)
    with store.durable("seed") as connection:
        rows = connection.execute(
            sending.enrolments.select()
            .where(sending.enrolments.c.run_id == run_id, sending.enrolments.c.arm == "treated")
            .order_by(sending.enrolments.c.id)
        ).all()
        made = []
        for place, row in enumerate(rows):
            name = state(place)  # type: ignore[operator]
            made.append((place + 1, row.variant, name))
            connection.execute(
                sending.messages.insert().values(
                    id=place + 1,
                    run_id=run_id,
                    enrolment_id=row.id,
                    customer_id=row.customer_id,
                    channel="email",
                    variant=row.variant,
                    **sending.in_state(name),
                    due_at=now,
                    accepted_at=now if name in ("accepted", "delivered", "bounced") else None,
                    refusal_code="unsubscribed_all" if name == "refused" else None,
                )
            )
    return made


def respond(store: Store, rows: list[tuple[int, str, str]], after: timedelta = timedelta(hours=1)) -> None:
    """Store responses (message id, kind, judged) that came in so long after the anchor."""
    with store.durable("seed") as connection:
        insert_rows(
            connection,
            answers.responses,
            [(kind, judged, 1, message, to_micros(ANCHOR + after)) for message, kind, judged in rows],
            ["kind", "judged", "rule_version", "message_id", "at"],
        )
