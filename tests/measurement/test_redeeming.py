"""Codes that a till redeems: judged as those of orders are, told once, refused where they do not count, and taken back."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa

from measurement.test_redemptions import HOUR, KNOWN, POOL, SHARED, order, sent
from tidings.campaigns.code_signs import new_code
from tidings.campaigns.pools import import_codes, pools, withdraw
from tidings.clock import FixedClock, to_micros
from tidings.definitions.kinds.rules import Event, EventProperty, Events
from tidings.measurement.redeeming import check, redeem, undo
from tidings.measurement.redemptions import refresh
from tidings.responses.redemptions_told import KeyTaken, Redemption, Verdict
from tidings.store.database import Store
from tidings.store.tables import money, people


@pytest.fixture
def codes(store: Store, clock: FixedClock) -> dict[int, str]:
    """Codes of a pool that a message gave to three customers, by customer; four more are free."""
    import_codes(store, "spring25", [f"CODE-{n}" for n in range(7)], actor="t", now=clock.now())
    sent(store, clock, POOL, "pool")
    with store.durable("test") as connection:
        if store.dialect == "postgresql":
            # Their ids were given by hand.
            connection.exec_driver_sql("SELECT setval(pg_get_serial_sequence('customers', 'id'), 1000)")
        rows = connection.execute(
            sa.select(money.codes.c.customer_id, money.codes.c.code).where(money.codes.c.state == "reserved")
        )
        return dict(rows.all())


def key_of(store: Store, customer: int) -> str:
    """Return the key of a customer."""
    with store.read() as connection:
        return connection.execute(
            sa.select(people.customers.c.key).where(people.customers.c.id == customer)
        ).scalar_one()


def told(store: Store, code: str, key: str, after: int = 0, **more: object) -> Redemption:
    """Return what a till tells `after` so many hours."""
    return Redemption(code, "api:till", key, to_micros(store.clock.now()) + after * HOUR, **more)  # type: ignore[arg-type]


def at_till(store: Store, code: str, key: str, after: int = 0, **more: object) -> Verdict:
    """Redeem at a till."""
    return redeem(store, KNOWN, told(store, code, key, after, **more), now=store.clock.now())


def judged(store: Store) -> list[str]:
    """Return what all redemptions count for, in their order."""
    with store.read() as connection:
        return list(
            connection.execute(
                sa.select(money.redemptions.c.judged).order_by(money.redemptions.c.id)
            ).scalars()
        )


def test_a_code_is_redeemed_once_and_telling_it_again_is_harmless(
    store: Store, codes: dict[int, str]
) -> None:
    code = next(iter(codes.values()))
    asked = check(store, KNOWN, code.lower(), now=store.clock.now())
    assert (asked.answer, asked.code, asked.kept) == ("good", code, False)
    first = at_till(store, code.lower(), "sale-1", discount=250, currency="EUR")
    assert (first.answer, first.code, first.kept, first.already, first.offer) == (
        "good",
        code,
        True,
        False,
        "pool",
    )
    again = at_till(store, code, "sale-1")
    assert (again.answer, again.kept, again.already) == ("good", True, True)
    other = at_till(store, code, "sale-2")
    assert (other.answer, other.kept) == ("again", False)
    assert check(store, KNOWN, code, now=store.clock.now()).answer == "again"
    with store.read() as connection:
        (row,) = connection.execute(sa.select(money.redemptions)).all()
        assert next(one for one in pools(connection) if one.name == "spring25").redeemed == 1
    customer = next(iter(codes))
    assert (row.judged, row.customer_id, row.discount, row.currency) == ("good", customer, 250, "EUR")
    assert refresh(store, KNOWN, now=store.clock.now()).changed == 0


def test_what_does_not_count_is_refused_and_leaves_nothing(
    store: Store, clock: FixedClock, codes: dict[int, str]
) -> None:
    mine, other = list(codes)[:2]
    theirs = key_of(store, other)
    withdraw(store, "spring25", [codes[other]], actor="t", now=clock.now())
    with store.read() as connection:
        free = connection.execute(
            sa.select(money.codes.c.code).where(money.codes.c.state == "free").limit(1)
        ).scalar_one()
    for key, code, customer, after, answer in (
        ("a", "NOBODY", None, 0, "unknown"),
        ("b", free, None, 0, "unknown"),
        ("c", codes[mine], theirs, 0, "other_customer"),
        ("d", codes[mine], "somebody new", 0, "other_customer"),
        ("e", codes[mine], None, 24 * 9, "ended"),
        ("f", codes[other], None, 0, "withdrawn"),
    ):
        found = at_till(store, code, key, after, customer=customer)
        assert (found.answer, found.kept) == (answer, False), key
    assert judged(store) == []
    with store.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(people.events)).scalar_one() == 0
        keys = connection.execute(sa.select(people.customers.c.key)).scalars()
        assert "somebody new" not in set(keys)


def test_a_discount_that_was_given_all_the_same_is_kept_and_does_not_count(
    store: Store, codes: dict[int, str]
) -> None:
    mine, other = list(codes)[:2]
    found = at_till(store, codes[mine], "x", customer=key_of(store, other), anyway=True)
    assert (found.answer, found.kept) == ("other_customer", True)
    assert judged(store) == ["other_customer"]
    assert at_till(store, codes[mine], "y").answer == "good"


def test_a_sign_mistyped_is_said(store: Store, clock: FixedClock) -> None:
    code = "SPRING-" + new_code(8)
    wrong = code[:-1] + ("3" if code[-1] == "2" else "2")
    import_codes(store, "made", [code], actor="t", now=clock.now())
    found = check(store, KNOWN, wrong, now=clock.now())
    assert (found.answer, found.mistyped) == ("unknown", True)
    assert "mistyped" in found.sentence
    assert not check(store, KNOWN, code, now=clock.now()).mistyped


def test_what_is_taken_back_can_be_redeemed_again(store: Store, codes: dict[int, str]) -> None:
    code, now = next(iter(codes.values())), store.clock.now()
    at_till(store, code, "sale-1")
    gone = undo(store, KNOWN, "api:till", "sale-1", actor="till", now=now)
    assert gone is not None and (gone.answer, gone.already) == ("undone", False)
    again = undo(store, KNOWN, "api:till", "sale-1", actor="till", now=now)
    assert again is not None and again.already
    assert undo(store, KNOWN, "api:till", "nothing", actor="till", now=now) is None
    assert at_till(store, code, "sale-1").answer == "undone"
    assert at_till(store, code, "sale-2").answer == "good"
    refresh(store, KNOWN, now=now)
    assert judged(store) == ["undone", "good"]


def test_one_key_stands_for_one_code(store: Store, codes: dict[int, str]) -> None:
    one, two = list(codes.values())[:2]
    at_till(store, one, "sale-1")
    with pytest.raises(KeyTaken):
        at_till(store, two, "sale-1")
    assert judged(store) == ["good"]


def test_of_two_tills_at_once_one_redeems_the_code(store: Store, codes: dict[int, str]) -> None:
    code, found = next(iter(codes.values())), list[str]()
    start = threading.Barrier(2)

    def till(number: int) -> None:
        start.wait()
        found.append(at_till(store, code, f"till-{number}").answer)

    threads = [threading.Thread(target=till, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["again", "good"]


def test_a_code_that_came_with_an_order_is_no_longer_good(store: Store, codes: dict[int, str]) -> None:
    one, two = list(codes)[:2]
    order(store, 1, one, codes[one], 1)
    assert check(store, KNOWN, codes[one], now=store.clock.now()).answer == "again"
    # From here on the orders were read once: what came since is looked at all the same.
    order(store, 2, two, codes[two].lower(), 1)
    assert at_till(store, codes[two], "sale", 2, order="another").answer == "again"


def test_told_late_of_an_earlier_hour_a_code_is_not_taken_from_who_had_it(
    store: Store, codes: dict[int, str]
) -> None:
    code = next(iter(codes.values()))
    at_till(store, code, "sale-1", 5)
    assert at_till(store, code, "sale-2", 1).answer == "again"
    assert judged(store) == ["good"]


@pytest.mark.parametrize("till_first", [True, False])
@pytest.mark.parametrize("numbered", [True, False])
def test_an_order_and_its_till_make_one_redemption(
    store: Store, codes: dict[int, str], till_first: bool, numbered: bool
) -> None:
    customer, code = next(iter(codes.items()))
    now = store.clock.now()
    if not till_first:
        order(store, 7, customer, code, 1, less=100)
        refresh(store, KNOWN, now=now)
    # The order's key is told as the event's; the till names it, or says only when it was.
    number = "o7" if numbered else None
    with store.durable("test") as connection:
        connection.execute(sa.update(people.events).values(dedupe_key="id:o7"))
    if not till_first:
        assert refresh(store, KNOWN, now=now).changed in (0, 1)
        with store.durable("test") as connection:
            connection.execute(sa.update(money.redemptions).values(order_key="o7"))
    found = at_till(store, code, "sale", 1, order=number)
    assert (found.answer, found.kept, found.already) == ("good", True, not till_first)
    if till_first:
        order(store, 7, customer, code, 1, less=100)
        with store.durable("test") as connection:
            connection.execute(
                sa.update(people.events).where(people.events.c.dedupe_key == "o7").values(dedupe_key="id:o7")
            )
    refresh(store, KNOWN, now=now)
    assert sorted(judged(store)) == ["good", "order"]
    with store.read() as connection:
        good = connection.execute(
            sa.select(money.redemptions).where(money.redemptions.c.judged == "good")
        ).one()
    assert good.discount == 100


def test_an_order_that_names_no_code_is_found_by_its_number(store: Store, codes: dict[int, str]) -> None:
    customer, code = next(iter(codes.items()))
    paid = Event("paid", properties=(EventProperty("total", "money"),), revenue="total")
    known = replace(KNOWN, events=Events((*KNOWN.events.events, paid)))
    at_till(store, code, "sale", order="1077")
    with store.durable("test") as connection:
        name = connection.execute(
            sa.insert(people.event_names).values(name="paid").returning(people.event_names.c.id)
        ).scalar_one()
        event = connection.execute(
            sa.insert(people.events)
            .values(
                name_id=name, customer_id=customer, occurred_at=1, received_at=1, source="shop", amount=100, currency="EUR",
                dedupe_key='["order", "1077", "x"]',
            )
            .returning(people.events.c.id)
        ).scalar_one()  # fmt: skip
    for _ in range(2):
        refresh(store, known, now=store.clock.now())
        with store.read() as connection:
            (row,) = connection.execute(sa.select(money.redemptions)).all()
        assert (row.event_id, row.judged) == (event, "good")
    assert at_till(store, code, "sale", order="1077").already


def test_a_code_that_all_share_counts_for_each_customer_as_often_as_its_offer_allows(
    store: Store, clock: FixedClock
) -> None:
    world = sent(store, clock, SHARED, "shared")
    with store.read() as connection:
        keys = list(
            connection.execute(sa.select(people.customers.c.key).order_by(people.customers.c.id)).scalars()
        )
    assert world is not None
    assert at_till(store, "spring10", "a", 1, customer=keys[0]).answer == "good"
    assert at_till(store, "SPRING10", "b", 2, customer=keys[0]).answer == "again"
    assert at_till(store, "SPRING10", "c", 2, customer=keys[1]).answer == "good"
    assert at_till(store, "SPRING10", "d", 3).answer == "good"
    found = check(store, KNOWN, "SPRING10", customer=keys[0], now=clock.now())
    assert (found.answer, found.gives) == ("again", "10% off")
