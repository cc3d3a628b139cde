"""Two records of one person: history becomes one, the stricter word holds, nobody is written to twice, and it can be undone."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from support.ledger_channel import Channel, render
from support.ledger_world import MARKETING, message_rows, seed
from support.stores import ATTRIBUTES
from tidings.clock import to_micros
from tidings.customers.consent import ConsentRow, record
from tidings.customers.identity import address_hash
from tidings.customers.knowing import find_customers
from tidings.customers.permission import reach_counts, refusals
from tidings.customers.suppression import suppress
from tidings.delivery.sender import deliver
from tidings.delivery.uniting import list_merged, merge_customers, part_customers
from tidings.delivery.verify import verify
from tidings.errors import RefusedByPolicy, UsageError
from tidings.store.database import Store
from tidings.store.tables import metadata, people
from tidings.store.vocabulary import attributes_table

TABLE = attributes_table(ATTRIBUTES)


def merge(store: Store, customer: str, into: str) -> Any:
    return merge_customers(store, ATTRIBUTES, customer, into, actor="ann", now=store.clock.now())


def part(store: Store, customer: str) -> Any:
    return part_customers(store, ATTRIBUTES, customer, actor="ann", now=store.clock.now())


def did(store: Store, customer: int, *names: str) -> None:
    now = to_micros(store.clock.now())
    with store.durable("test") as connection:
        for name in names:
            known = sa.select(people.event_names.c.id).where(people.event_names.c.name == name)
            number = connection.execute(known).scalar()
            if number is None:
                number = connection.execute(
                    people.event_names.insert().values(name=name).returning(people.event_names.c.id)
                ).scalar_one()
            count = connection.execute(sa.select(sa.func.count()).select_from(people.events)).scalar_one()
            connection.execute(
                people.events.insert().values(
                    name_id=number, customer_id=customer, occurred_at=now, received_at=now, source="t",
                    dedupe_key=str(count),
                )
            )  # fmt: skip


def say(
    store: Store, customer: int, state: str, *, purpose: str = "marketing", kind: str = "email", ago: int = 0
) -> None:
    at = to_micros(store.clock.now()) - ago
    with store.durable("test") as connection:
        record(connection, [ConsentRow(customer, kind, purpose, state, "said so", "test", at, at)])


def verdicts(store: Store) -> dict[int, str | None]:
    with store.read() as connection:
        return dict(connection.execute(refusals("email", MARKETING)).all())


def whose(store: Store) -> dict[str, list[int | None]]:
    """Return the customer of every row of every table that has one."""
    found = {}
    with store.read() as connection:
        for table in metadata.sorted_tables:
            if "customer_id" in table.c and table.name not in ("merges", "consents", "attribute_changes"):
                query = sa.select(table.c.customer_id).order_by(*table.primary_key.columns)
                found[table.name] = list(connection.execute(query).scalars())
    return found


def send(store: Store, world: Any) -> None:
    deliver(store, world.job, adapter=Channel(), render=render, clock=store.clock)


def test_history_becomes_one_and_goes_back(store: Store) -> None:
    world = seed(store, 3)
    did(store, 1, "order_placed", "order_placed")
    did(store, 2, "order_placed")
    first = whose(store)
    done = merge(store, "c1", "c2")
    assert (done.customer, done.into, done.moved["events"]) == ("c1", "c2", 2)
    assert whose(store)["events"] == [2, 2, 2]
    with store.read() as connection:
        assert [(row.key, row.into, row.actor) for row in list_merged(connection)] == [("c1", "c2", "ann")]
        # Whatever names the one means the other from now on.
        assert find_customers(connection, ["c1", "c2"]) == {"c1": 2, "c2": 2}
        assert 1 not in verdicts(store)
        assert sum(reach_counts(connection, [MARKETING], ["email"])["email", "marketing"].values()) == 2
    part(store, "c1")
    assert whose(store) == first
    with store.read() as connection:
        assert find_customers(connection, ["c1"]) == {"c1": 1} and list_merged(connection) == []
    assert verdicts(store)[1] is None and verify(store).broken == () and world.run_id


def test_what_is_still_to_go_out_to_the_one_is_refused_and_the_other_gets_it_once(store: Store) -> None:
    world = seed(store, 3)
    merge(store, "c1", "c2")
    send(store, world)
    rows = [(row.customer_id, row.state, row.refusal_code) for row in message_rows(store, world.run_id)]
    assert rows == [(1, "refused", "merged"), (2, "accepted", None), (3, "accepted", None)]
    assert verify(store).broken == ()


def test_who_got_it_under_one_record_does_not_get_it_under_the_other(store: Store) -> None:
    world = seed(store, 2)
    later = to_micros(store.clock.now()) + 3_600_000_000
    with store.durable("test") as connection:
        table = metadata.tables["messages"]
        connection.execute(sa.update(table).where(table.c.customer_id == 2).values(due_at=later))
    send(store, world)
    assert [row.state for row in message_rows(store, world.run_id)] == ["accepted", "planned"]
    assert merge(store, "c1", "c2").refused == 1
    rows = [(row.customer_id, row.state, row.refusal_code) for row in message_rows(store, world.run_id)]
    assert rows == [(1, "accepted", None), (2, "refused", "merged")] and verify(store).broken == ()


def test_what_was_sent_goes_over_where_the_other_was_not_in_the_run(store: Store) -> None:
    first, second = seed(store, 1, campaign="one"), seed(store, 1, campaign="two")
    with store.durable("test") as connection:
        connection.execute(
            people.customers.insert().values(id=2, key="new", u=7, email="new@shop.example", created_at=1)
        )
    send(store, first)
    done = merge(store, "c1", "new")
    # What of the second run is still to go out stays, and is refused.
    assert (done.moved["enrolments"], done.moved["messages"]) == (1, 1)
    assert [row.customer_id for row in message_rows(store, first.run_id)] == [2]
    send(store, second)
    (row,) = message_rows(store, second.run_id)
    assert (row.customer_id, row.refusal_code) == (1, "merged") and verify(store).broken == ()
    part(store, "c1")
    assert [row.customer_id for row in message_rows(store, first.run_id)] == [1]
    assert verify(store).broken == ()


@pytest.mark.parametrize(
    ("mine", "theirs", "wanted", "parted"),
    [
        ("withdrawn", "granted", "unsubscribed_list", None),
        ("granted", "withdrawn", "unsubscribed_list", "unsubscribed_list"),
        ("granted", None, None, "unsubscribed_list"),
        (None, "granted", None, None),
        ("pending", "granted", None, None),
        ("withdrawn", None, "unsubscribed_list", "unsubscribed_list"),
    ],
)
def test_a_no_of_either_holds_for_both(
    store: Store, mine: str | None, theirs: str | None, wanted: str | None, parted: str | None
) -> None:
    seed(store, 2)
    with store.durable("test") as connection:
        connection.execute(sa.delete(people.consents))
    # The grant is the younger word: a plain reading of both would let it win.
    for customer, state in ((1, mine), (2, theirs)):
        if state is not None:
            say(store, customer, state, ago=1_000_000 if state == "granted" else 2_000_000)
    merge(store, "c1", "c2")
    assert verdicts(store)[2] == wanted
    part(store, "c1")
    assert verdicts(store)[2] == parted
    assert verdicts(store)[1] == {"withdrawn": "unsubscribed_list", "granted": None, "pending": "consent_unconfirmed", None: "no_consent"}[mine]  # fmt: skip


def test_who_says_no_to_a_letter_under_the_old_record_says_no_as_the_other(store: Store) -> None:
    seed(store, 2)
    merge(store, "c1", "c2")
    assert verdicts(store)[2] is None
    say(store, 1, "withdrawn", purpose="all")
    assert verdicts(store)[2] == "unsubscribed_all"
    # Since they have said something, parting does not take it back.
    part(store, "c1")
    assert verdicts(store)[2] == "unsubscribed_all"


def test_a_complaint_is_the_persons_and_a_bounce_the_addresss(store: Store) -> None:
    seed(store, 4)
    with store.durable("test") as connection:
        for number, reason in ((1, "complaint"), (3, "bounce")):
            hashed = sa.select(people.customers.c.email_hash).where(people.customers.c.id == number)
            suppress(connection, "email", connection.execute(hashed).scalar_one(), reason, "test", 1)
    merge(store, "c1", "c2")
    merge(store, "c3", "c4")
    assert verdicts(store) == {2: "suppressed_complaint", 4: None}
    part(store, "c1")
    assert verdicts(store)[2] is None and verdicts(store)[1] == "suppressed_complaint"


def test_what_is_empty_is_filled_and_emptied_again(store: Store) -> None:
    seed(store, 2)
    phone = "+46701740601"
    with store.durable("test") as connection:
        connection.execute(
            sa.update(people.customers)
            .where(people.customers.c.id == 1)
            .values(phone=phone, phone_hash=address_hash("s", "sms", phone), country="SE")
        )
        connection.execute(
            TABLE.insert(),
            [
                {"customer_id": 1, "full_name": "Anna", "member_level": "gold"},
                {"customer_id": 2, "full_name": "Anna B.", "member_level": None},
            ],
        )
        lists = [{"customer_id": 1, "attribute": "interests", "value": one} for one in ("roses", "tea")]
        connection.execute(people.customer_lists.insert(), lists)

    def known() -> tuple[Any, ...]:
        with store.read() as connection:
            fixed = connection.execute(
                sa.select(
                    people.customers.c.phone, people.customers.c.country, people.customers.c.email
                ).where(people.customers.c.id == 2)
            ).one()
            named = connection.execute(
                sa.select(TABLE.c.full_name, TABLE.c.member_level).where(TABLE.c.customer_id == 2)
            ).one()
            likes = connection.execute(
                sa.select(people.customer_lists.c.value).where(people.customer_lists.c.customer_id == 2)
            ).scalars()
            return (*fixed, *named, sorted(likes))

    before = known()
    done = merge(store, "c1", "c2")
    assert known() == (phone, "SE", before[2], "Anna B.", "gold", ["roses", "tea"])
    assert set(done.filled) == {"phone", "country", "member_level", "interests"}
    part(store, "c1")
    assert known() == before


def test_three_records_of_one_person_are_parted_in_the_order_they_came(store: Store) -> None:
    seed(store, 3)
    did(store, 1, "order_placed")
    first = whose(store)
    merge(store, "c1", "c2")
    merge(store, "c2", "c3")
    assert whose(store)["events"] == [3]
    with store.read() as connection:
        assert find_customers(connection, ["c1"]) == {"c1": 3}
    with pytest.raises(RefusedByPolicy, match="c2, which c1 was merged into, was merged as well"):
        part(store, "c1")
    part(store, "c2")
    with store.read() as connection:
        assert find_customers(connection, ["c1"]) == {"c1": 2}
    part(store, "c1")
    assert whose(store) == first and verify(store).broken == ()


def test_what_cannot_be_merged_is_said(store: Store) -> None:
    seed(store, 3)
    with pytest.raises(UsageError, match='no customer "c9"'):
        merge(store, "c9", "c1")
    with pytest.raises(UsageError, match="same customer twice"):
        merge(store, "c1", "c1")
    with pytest.raises(UsageError, match="not merged into anybody"):
        part(store, "c1")
    merge(store, "c1", "c2")
    with pytest.raises(RefusedByPolicy, match="c1 was merged into c2 before"):
        merge(store, "c1", "c3")
    with pytest.raises(RefusedByPolicy, match="c1 was merged into c2 before"):
        merge(store, "c3", "c1")
    with store.durable("test") as connection:
        connection.execute(
            sa.update(people.customers).where(people.customers.c.id == 3).values(tombstoned_at=1)
        )
    with pytest.raises(RefusedByPolicy, match="c3 was erased"):
        merge(store, "c3", "c2")
