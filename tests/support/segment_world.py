"""Populations for segments: a vocabulary with every type, people full of edge cases, and their way into a store."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from support.naive_segments import Happening, Person, Receipt, World
from tidings.clock import local_midnight, to_micros
from tidings.definitions.conditions import AttributeCondition, DidCondition, SegmentCondition, Times
from tidings.definitions.kinds.rules import Attribute, Attributes, Event, EventProperty, Events
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.values import Compared, Is, Order
from tidings.segments.compile import Scope
from tidings.store.database import Store
from tidings.store.tables import people, sending
from tidings.store.vocabulary import apply_changes, attributes_table

CURRENCY = "EUR"
ATTRIBUTES = Attributes(
    (
        Attribute("level", "text"),
        Attribute("город", "text"),
        Attribute("score", "number"),
        Attribute("spent", "money", currency="EUR"),
        Attribute("spent_jpy", "money", currency="JPY"),
        Attribute("born", "date"),
        Attribute("seen", "instant"),
        Attribute("vip", "flag"),
        Attribute("interests", "list"),
        Attribute("tags", "list"),
    )
)
EVENTS = Events(
    (
        Event(
            "order",
            properties=(
                EventProperty("total", "money"),
                EventProperty("tax", "money", "JPY"),
                EventProperty("category", "text"),
                EventProperty("pieces", "number"),
                EventProperty("deliver_on", "date"),
                EventProperty("gift", "flag"),
            ),
            revenue="total",
        ),
        Event("view", properties=(EventProperty("page", "text"), EventProperty("price", "money"))),
        Event("never_came"),
    )
)
SEGMENTS = {
    "buyers": Segment("buyers", "Buyers", "segments/buyers.yaml", where=(DidCondition("order"),)),
    "rich": Segment(
        "rich",
        "Rich",
        "segments/rich.yaml",
        where=(SegmentCondition("buyers"), AttributeCondition("spent", Compared(Order.AT_LEAST, Decimal(5)))),
        except_=(SegmentCondition("fair"), DidCondition("view", Times(3))),
    ),
    "gold": Segment("gold", "Gold", "segments/gold.yaml", where=(AttributeCondition("level", Is("gold")),)),
    "fair": Segment("fair", "Fair", "segments/fair.yaml", members="listed"),
}
TEXTS = [
    "gold",
    "Gold",
    "go",
    "",
    "жёлтый",
    "金 金",
    "100%",
    "a_b",
    "it's",
    "'; DROP TABLE customers; --",
    '"x"',
    "\\",
    ":id ?%s",
]
LISTS = ["roses", "rose", "vegetables", "розы", "'--"]
CURRENCIES = ["EUR", "EUR", "EUR", "JPY", "KWD", None]
NUMBERS = [0.0, 1.0, 2.0, 2.5, -3.0, 0.1, 0.2, 0.3, 1e9, 12345.678]
AMOUNTS = [0, 1, 499, 500, 501, 50000, -500, 999_999, 10**12, 15025]
# A clock and where it stands: leap day, the days around, year's end, both DST changes, midnight itself.
MOMENTS = [
    ("Europe/Stockholm", datetime(2027, 3, 2, 9, tzinfo=UTC)),
    ("Europe/Stockholm", datetime(2027, 3, 28, 10, tzinfo=UTC)),
    ("Europe/Stockholm", datetime(2027, 10, 31, 22, 59, 59, 999_999, tzinfo=UTC)),
    ("America/New_York", datetime(2028, 2, 29, 4, 30, tzinfo=UTC)),
    ("America/New_York", datetime(2028, 3, 1, 5, tzinfo=UTC)),
    ("Asia/Taipei", datetime(2027, 2, 27, 16, tzinfo=UTC)),
    ("Asia/Taipei", datetime(2027, 12, 31, 15, 59, 59, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2027, 4, 30, 3, tzinfo=UTC)),
    ("Asia/Kamchatka", datetime(2028, 2, 28, 23, tzinfo=UTC)),
    ("UTC", datetime(2028, 1, 1, tzinfo=UTC)),
]
_STEPS = [
    timedelta(0),
    timedelta(microseconds=1),
    timedelta(hours=1),
    timedelta(minutes=90),
    timedelta(hours=13),
]


def scope_of(world: World, *, inline: bool = True) -> Scope:
    return Scope(
        world.attributes,
        world.events,
        world.now,
        world.zone,
        world.currency,
        world.segments if inline else None,
    )


def make_world(seed: int, size: int) -> World:
    """Return a population whose instants and dates stand on and around the borders of every moment."""
    draw = random.Random(seed)
    return World(
        [_person(draw, number) for number in range(1, size + 1)],
        ATTRIBUTES,
        EVENTS,
        CURRENCY,
        SEGMENTS,
        MOMENTS[0][1],
        ZoneInfo(MOMENTS[0][0]),
    )


def _maybe(draw: random.Random, values: list, unknown: float = 0.25):
    return None if draw.random() < unknown else draw.choice(values)


def _instant(draw: random.Random) -> datetime:
    name, now = draw.choice(MOMENTS)
    zone = ZoneInfo(name)
    base = now
    if draw.random() < 0.7:
        day = now.astimezone(zone).date() + timedelta(
            days=draw.choice([0, 1, -1, 2, -7, -30, -31, -365, 7, 30, -60])
        )
        base = local_midnight(day, zone)
    return base + draw.choice([1, -1]) * draw.choice(_STEPS)


def _date(draw: random.Random) -> date:
    if draw.random() < 0.3:
        return draw.choice(
            [date(1980, 2, 29), date(2000, 2, 28), date(1999, 3, 1), date(1970, 12, 31), date(2001, 1, 1)]
        )
    day = _instant(draw).date()
    return day if draw.random() < 0.5 else date(draw.choice([1960, 1995, 2004]), day.month, min(day.day, 28))


def _person(draw: random.Random, number: int) -> Person:
    person = Person(
        number,
        {
            "key": f"C-{number}",
            "email": _maybe(draw, ["a@b.example", "A@b.example", "x'y@b.example"]),
            "phone": None,
            "fax": None,
            "locale": _maybe(draw, ["ru", "zh-TW"]),
            "zone": None,
            "country": _maybe(draw, ["RU", "SE", "TW"]),
            "account": None,
        },
        erased=draw.random() < 0.05,
    )
    if draw.random() < 0.9:  # some have no row of attributes at all
        person.attributes = {
            "level": _maybe(draw, TEXTS),
            "город": _maybe(draw, TEXTS),
            "score": _maybe(draw, NUMBERS),
            "spent": _maybe(draw, AMOUNTS),
            "spent_jpy": _maybe(draw, AMOUNTS),
            "born": _maybe(draw, [_date(draw)]),
            "seen": _maybe(draw, [_instant(draw)]),
            "vip": _maybe(draw, [True, False]),
        }
    for name in ("interests", "tags"):
        if chosen := set(draw.sample(LISTS, draw.choice([0, 0, 1, 2, 3]))):
            person.lists[name] = chosen
    person.events = [_happening(draw) for _ in range(draw.choice([0, 0, 1, 1, 2, 3, 4, 6]))]
    if draw.random() < 0.2:
        person.listed_in.add("fair")
    for message in range(draw.choice([0, 0, 1, 2, 3])):
        parts = draw.choice([[None], [None], ["a", "b"]])
        said = ["delivered", "delivered", "bounced", "complained", "opened", "deferred"]
        person.receipts += [
            # Every part is known of: where nothing else was said about it, that the provider took it.
            Receipt(message, kind, _instant(draw), part)
            for part in parts
            for kind in ["queued", *draw.choices(said, k=draw.choice([0, 1, 2]))]
        ]
    return person


def _happening(draw: random.Random) -> Happening:
    currency = draw.choice(CURRENCIES)
    if draw.random() < 0.35:
        properties = {"page": _maybe(draw, TEXTS), "price": _maybe(draw, AMOUNTS)}
        return Happening(
            "view", _instant(draw), None, currency, {k: w for k, w in properties.items() if w is not None}
        )
    properties = {
        "tax": _maybe(draw, AMOUNTS),
        "category": _maybe(draw, TEXTS),
        "pieces": _maybe(draw, NUMBERS),
        "deliver_on": _maybe(draw, [_date(draw)]),
        "gift": _maybe(draw, [True, False]),
    }
    return Happening(
        "order",
        _instant(draw),
        _maybe(draw, AMOUNTS, 0.15),
        currency,
        {k: w for k, w in properties.items() if w is not None},
        draw.sample(LISTS, draw.choice([0, 0, 1, 2])),
    )


def fill(store: Store, world: World) -> None:
    """Write a population into an empty store that has no vocabulary yet."""
    apply_changes(store, world.attributes)
    attributes = attributes_table(world.attributes)
    names = {
        event.name: number
        for number, event in enumerate(world.events.events, 1)
        if event.name != "never_came"
    }
    at = to_micros(datetime(2026, 1, 1, tzinfo=UTC))
    customers, typed, lists, events, items, listed = [], [], [], [], [], []
    for person in world.people:
        customers.append(
            {
                "id": person.id,
                "u": person.id,
                "created_at": at,
                "tombstoned_at": at if person.erased else None,
                **person.fixed,
            }
        )
        if person.attributes:
            row = {column.key: person.attributes.get(column.key) for column in attributes.c}
            row["seen"] = to_micros(row["seen"]) if row["seen"] else None
            typed.append({**row, "customer_id": person.id})
        for name, values in person.lists.items():
            lists += [{"customer_id": person.id, "attribute": name, "value": value} for value in values]
        for happened in person.events:
            number = len(events) + 1
            events.append(
                {
                    "id": number,
                    "name_id": names[happened.name],
                    "customer_id": person.id,
                    "occurred_at": to_micros(happened.at),
                    "received_at": at,
                    "source": "test",
                    "dedupe_key": str(number),
                    "amount": happened.amount,
                    "currency": happened.currency,
                    "properties": {
                        name: value.isoformat() if isinstance(value, date) else value
                        for name, value in happened.properties.items()
                    }
                    or None,
                }
            )
            items += [
                {"event_id": number, "position": place, "item": item, "quantity": 1, "price": 1}
                for place, item in enumerate(happened.items)
            ]
        listed += [
            {"segment": name, "customer_id": person.id, "valid_from": at} for name in sorted(person.listed_in)
        ]
    rows = [
        (people.customers, customers),
        (attributes, typed),
        (people.customer_lists, lists),
        (people.event_names, [{"id": number, "name": name} for name, number in names.items()]),
        (people.events, events),
        (people.event_items, items),
        (people.segment_members, listed),
    ]
    with store.durable("test") as connection:
        for table, values in [*rows, *_sent(world, at)]:
            if values:
                connection.execute(table.insert(), values)


def _sent(world: World, at: int) -> list:
    """Return the messages of a population in one run, and what was said about them."""
    run = {
        "id": 1, "campaign": "x", "occurrence": "1", "kind": "campaign", "definition_hash": "", "policy_hash": "",
        "salt": "", "state": "finished", "anchor_at": at, "created_at": at, "bounds": {},
    }  # fmt: skip
    enrolments, messages, refs, receipts = [], [], [], []
    for person in world.people:
        own: dict[int, int] = {}
        for said in person.receipts:
            if said.message not in own:
                number = own[said.message] = len(messages) + 1
                about = {"run_id": 1, "customer_id": person.id}
                enrolments.append(
                    {
                        "id": number,
                        **about,
                        "entry": said.message,
                        "arm": "treated",
                        "anchor_at": at,
                        "planned_at": at,
                    }
                )
                messages.append(
                    {
                        "id": number,
                        **about,
                        "enrolment_id": number,
                        "channel": "sms",
                        "state": "accepted",
                        "due_at": at,
                    }
                )
            number = own[said.message]
            name = said.part and f"{number}{said.part}"
            if name and name not in {one["provider_ref"] for one in refs}:
                refs.append({"channel": "sms", "provider_ref": name, "message_id": number})
            receipts.append(
                {
                    "provider": "p", "event_id": str(len(receipts)), "kind": said.kind, "message_id": number,
                    "at": to_micros(said.at), "received_at": at, "channel": "sms", "provider_ref": name,
                }
            )  # fmt: skip
    return [
        (sending.runs, [run]), (sending.enrolments, enrolments), (sending.messages, messages),
        (sending.provider_refs, refs), (sending.receipts, receipts),
    ]  # fmt: skip
