"""Hours in the claim: who may not be written to at this hour is put off to when they may, and nobody is written to outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from support.ledger_channel import Channel, Letter, render
from support.ledger_world import World, address_of, message_rows, seed
from tidings.campaigns.windows import Window
from tidings.clock import FixedClock, from_micros, to_micros
from tidings.delivery.claiming import Taken, take
from tidings.delivery.sender import deliver
from tidings.delivery.terms import Terms
from tidings.store.database import Store
from tidings.store.tables import people, sending

NIGHT = Window(quiet=(time(20), time(9)))
# The clock of the tests stands at 09:00 UTC on a Tuesday.
ZONES = ("Europe/London", "Asia/Tokyo", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")


def housed(store: Store, zones: Sequence[str | None], terms: Terms, *, days: int = 2) -> World:
    """Seed a run to customers in zones, whose messages live for some days."""
    world = seed(store, len(zones))
    now = store.clock.now()
    with store.durable("test") as connection:
        for customer, zone in enumerate(zones, 1):
            connection.execute(
                sa.update(people.customers).where(people.customers.c.id == customer).values(zone=zone)
            )
        connection.execute(
            sa.update(sending.messages).values(expires_at=to_micros(now + timedelta(days=days)))
        )
    return replace(world, job=replace(world.job, terms=terms))


def claim(store: Store, world: World) -> Taken:
    """Claim everything of a run that is due."""
    ids = [row.id for row in message_rows(store, world.run_id)]
    return take(store, world.job, owner="a", boot_id="b", found=ids, lease_seconds=60)


def due(store: Store, world: World) -> dict[int, datetime]:
    return {row.customer_id: from_micros(row.due_at) for row in message_rows(store, world.run_id)}


def at(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    return datetime(2027, month, day, hour, minute, tzinfo=UTC)


def test_who_may_not_be_written_to_now_is_put_off_to_when_they_may(store: Store, clock: FixedClock) -> None:
    world = housed(store, ZONES, Terms(window=NIGHT))
    taken = claim(store, world)
    # 09:00 in London, 18:00 in Tokyo, 14:45 in Kathmandu; 04:00 in New York and 20:00 on Lord Howe.
    assert [one.customer_id for one in taken.messages] == [1, 2, 4]
    assert due(store, world)[3] == at(2, 14)
    assert due(store, world)[5] == at(2, 22)
    assert {row.state for row in message_rows(store, world.run_id)} == {"claimed", "planned"}
    clock.advance(timedelta(hours=5))
    assert [one.customer_id for one in claim(store, world).messages] == [3]


@pytest.mark.parametrize(
    ("zone", "now", "opens"),
    [
        # Clocks go forward in London on 28 March and in New York on 14 March, back in New York on 7 November.
        ("Europe/London", at(27, 21), at(28, 8)),
        ("Europe/London", at(26, 21), at(27, 9)),
        ("America/New_York", at(14, 2), at(14, 13)),
        ("America/New_York", at(7, 2, month=11), at(7, 14, month=11)),
        # Half an hour on Lord Howe, on 4 April.
        ("Australia/Lord_Howe", at(3, 12, month=4), at(3, 22, 30, month=4)),
    ],
)
def test_a_night_in_which_the_clocks_change_ends_at_its_hour_on_the_wall(
    store: Store, clock: FixedClock, zone: str, now: datetime, opens: datetime
) -> None:
    clock.advance(now - clock.now())
    world = housed(store, [zone], Terms(window=NIGHT))
    assert claim(store, world).messages == ()
    assert due(store, world) == {1: opens}
    assert opens.astimezone(ZoneInfo(zone)).time() == time(9)
    clock.advance(opens - now - timedelta(seconds=1))
    assert claim(store, world).messages == ()
    clock.advance(timedelta(seconds=1))
    assert len(claim(store, world).messages) == 1


def test_a_message_that_would_expire_before_its_hour_is_refused_at_once(store: Store) -> None:
    world = housed(
        store, ["America/New_York"], Terms(window=Window(between=(time(10), time(11)), weekdays=(5,)))
    )
    assert claim(store, world).messages == ()
    [row] = message_rows(store, world.run_id)
    assert (row.refusal_code, row.refusal_rule) == ("quiet_hours", "hours/email")


def test_a_step_that_skips_is_refused_where_others_wait(store: Store) -> None:
    world = housed(store, ["America/New_York"], Terms(window=NIGHT, skips=True))
    assert claim(store, world).messages == ()
    assert [row.refusal_code for row in message_rows(store, world.run_id)] == ["quiet_hours"]


def _by_phone(store: Store, world: World, phone: str | None) -> World:
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(phone=phone or "+999", phone_hash="p"))
        connection.execute(sa.update(people.consents).values(channel="sms"))
    return replace(world, job=replace(world.job, kind="sms"))


def test_a_text_to_an_unknown_zone_waits_and_is_refused_for_that_when_it_expires(
    store: Store, clock: FixedClock
) -> None:
    world = _by_phone(store, housed(store, [None], Terms(window=NIGHT), days=1), None)
    for _ in range(24):
        assert claim(store, world).messages == ()
        assert due(store, world) == {1: clock.now() + timedelta(hours=1)}
        clock.advance(timedelta(hours=1))
    claim(store, world)
    [row] = message_rows(store, world.run_id)
    assert (row.refusal_code, row.refusal_rule) == ("timezone_unknown", "zone/sms")


def test_a_text_to_an_unknown_zone_goes_when_the_zone_was_imported(store: Store, clock: FixedClock) -> None:
    world = _by_phone(store, housed(store, [None], Terms(window=NIGHT)), None)
    assert claim(store, world).messages == ()
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(zone="Europe/London"))
    clock.advance(timedelta(hours=1))
    assert len(claim(store, world).messages) == 1


def test_an_e_mail_to_an_unknown_zone_goes_by_the_clock_of_the_workspace(store: Store) -> None:
    world = housed(store, [None], Terms(window=NIGHT, zone="Asia/Tokyo"))
    assert len(claim(store, world).messages) == 1
    other = seed(store, 1, campaign="other")
    other = replace(other, job=replace(other.job, terms=Terms(window=NIGHT, zone="America/New_York")))
    assert claim(store, other).messages == ()
    assert due(store, other) == {1: at(2, 14)}


def test_where_a_number_may_be_in_several_zones_all_must_allow(store: Store, clock: FixedClock) -> None:
    world = housed(store, [None], Terms(window=NIGHT))
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(country="US"))
    clock.advance(timedelta(hours=7))
    # 16:00 UTC: noon in New York, and still night in Honolulu.
    assert claim(store, world).messages == ()
    opens = due(store, world)[1]
    for zone in ("America/New_York", "Pacific/Honolulu", "America/Anchorage"):
        assert time(9) <= opens.astimezone(ZoneInfo(zone)).time() < time(20)


def test_a_quarter_of_an_hour_before_the_night_the_claim_says_until_when(
    store: Store, clock: FixedClock
) -> None:
    world = housed(store, ["Europe/London", "Asia/Tokyo"], Terms(window=NIGHT))
    clock.advance(timedelta(hours=1, minutes=50))
    closes = {one.customer_id: one.closes for one in claim(store, world).messages}
    assert closes[1] == to_micros(clock.now() + timedelta(minutes=15))
    # 19:50 in Tokyo.
    assert closes[2] is not None
    assert 0 <= to_micros(at(2, 11)) - closes[2] <= 1_000_000


def test_what_is_claimed_before_the_night_and_would_leave_in_it_is_put_back(
    store: Store, clock: FixedClock
) -> None:
    world = housed(store, ["Asia/Tokyo"] * 6, Terms(window=NIGHT))
    clock.advance(timedelta(hours=1, minutes=59))
    left: list[datetime] = []

    def slowly(_letter: Letter) -> None:
        left.append(clock.now())
        clock.advance(timedelta(seconds=40))

    deliver(store, world.job, adapter=Channel(before=slowly), render=render, clock=clock, connections=1)
    assert left
    assert max(left) < at(2, 11)
    rows = message_rows(store, world.run_id)
    waiting = [row for row in rows if row.state == "planned"]
    assert len(waiting) == 6 - len(left) > 0
    assert {row.attempt for row in waiting} == {0}
    assert {from_micros(row.due_at) for row in waiting} == {at(3, 0)}
    clock.advance(at(3, 0) - clock.now())
    channel = Channel()
    deliver(store, world.job, adapter=channel, render=render, clock=clock, connections=1)
    assert set(channel.given) == {address_of(row.customer_id) for row in waiting}
