"""Cost beside effect: every source of it, to the fraction of a cent, and what is not known of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from support.beside_world import ANCHOR, DAY, EMAIL, PERIOD, Planted, World, campaign, shop, with_variants
from tidings.clock import to_micros
from tidings.definitions.values import Money
from tidings.measurement.attribution.answer import Period
from tidings.store.database import Store
from tidings.store.tables import money, people, sending

BY_TEXT = {"": "sms"}


def paid(
    store: Store,
    name: str | None,
    amount: int,
    day: str = "2027-03-05",
    medium: str = "search",
    **more: object,
) -> None:
    """Store one row of a cost file."""
    with store.durable("seed") as connection:
        number = (connection.scalar(sa.select(sa.func.max(people.imports.c.id))) or 0) + 1
        connection.execute(
            people.imports.insert().values(
                id=number, mapping="ads", file="f.csv", fingerprint=f"{number}", state="finished", counts={},
                started_at=0, updated_at=0,
            )
        )  # fmt: skip
        connection.execute(
            money.costs.insert().values(
                **{
                    "mapping": "ads", "day": day, "source": "ads", "medium": medium, "label": name or "Unknown Ad",
                    "campaign": name, "amount": amount, "currency": "EUR", "import_id": number, "line": 1,
                }
                | more
            )
        )  # fmt: skip


def receipt(store: Store, message: int, cost: str, part: str = "a", raw: bool = True) -> None:
    """Store what a provider said that a part of a message cost, in major units."""
    with store.durable("seed") as connection:
        connection.execute(
            sending.receipts.insert().values(
                provider="twilio/sms", event_id=f"{message}-{part}-{cost}", kind="delivered", message_id=message, at=0,
                received_at=0, raw={"cost": cost} if raw else None, provider_ref=part,
                cost=round(Decimal(cost) * 100), currency="EUR",
            )
        )  # fmt: skip


def test_messages_cost_the_price_of_their_channel(store: Store) -> None:
    world = World(store, shop(campaign()))
    one = world.add(Planted(channels=BY_TEXT))
    row = world.row()
    assert row.cost == 400 * 6
    assert row.roas == pytest.approx(sum(one.bought["treated"]) / 2400)
    assert row.cost_per_conversion == pytest.approx(2400 / row.credited)
    assert row.increment is not None
    assert row.increment.value is not None
    assert row.iroas.value == pytest.approx(row.increment.value.estimate / 2400)
    assert row.increment.value.interval is not None
    assert row.iroas.interval == pytest.approx([end / 2400 for end in row.increment.value.interval])
    assert row.cost_per_increment.value == pytest.approx(2400 / row.increment.conversions.estimate)


def test_what_the_provider_says_counts_to_the_fraction_of_a_cent(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=80, held=20, channels=BY_TEXT))
    with store.read() as connection:
        ids = list(
            connection.execute(sa.select(sending.messages.c.id).order_by(sending.messages.c.id)).scalars()
        )
    # Half of them are told: at 0.79 cents for each of two parts, one part told twice.
    for message in ids[:40]:
        receipt(store, message, "0.0079", "a")
        receipt(store, message, "0.00790", "a")
        receipt(store, message, "0.0079", "b")
    plain = world.row().as_json()
    assert plain["cost"]["messages"] == pytest.approx(40 * 2 * 0.0079 + 40 * 0.06)
    assert world.row().cost == round(40 * 2 * 0.79 + 40 * 6)


def test_where_the_words_of_the_provider_were_erased_the_rounded_amount_is_left(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=8, held=2, channels=BY_TEXT))
    with store.read() as connection:
        first = connection.scalar(sa.select(sa.func.min(sending.messages.c.id)))
    receipt(store, first or 0, "0.07", raw=False)
    assert world.row().cost == 7 + 7 * 6


def test_messages_that_nobody_took_cost_nothing(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=80, held=20, channels=BY_TEXT))
    with store.durable("seed") as connection:
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.id % 2 == 0)
            .values(**sending.in_state("refused"))
        )
    assert world.row().cost == 40 * 6


def test_fixed_costs_and_ads_are_added_and_named(store: Store) -> None:
    world = World(store, shop(campaign(costs=(("photographs", Money(5_000, "EUR")),))))
    world.add(Planted(channels=BY_TEXT))
    paid(store, "spring", 12_345)
    paid(store, "spring", 99_999, day="2027-04-02")
    table = world.beside()
    (row,) = table.rows
    assert row.as_json()["cost"] == {"total": 197.45, "messages": 24.0, "fixed": 50.0, "ads": 123.45}
    assert any("spring holds ads" in one for one in table.words)
    # The run began before this time: what is fixed was paid then.
    later = Period(to_micros(ANCHOR + 3 * DAY), PERIOD.closes)
    paid(store, "spring", 100, day="2027-03-10")
    assert world.row(period=later).as_json()["cost"] == {"total": 1.0, "ads": 1.0}


def test_cost_without_touches_and_touches_without_cost_are_said(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=8, held=2, base=0.0, lift=0.0))
    paid(store, "billboard", 70_000)
    paid(store, None, 1_500, label="Old Ad")
    world.touches([(1, "search", "brand", "visited", ANCHOR)])
    world.orders([(1, ANCHOR + timedelta(hours=3), 900, "EUR")])
    table = world.beside()
    rows = {one.name: one for one in table.rows}
    assert (rows["billboard"].cost, rows["billboard"].touches, rows["billboard"].roas) == (70_000, 0, 0)
    assert rows["billboard"].cost_per_conversion is None
    assert (rows["brand"].cost, rows["brand"].touches, rows["brand"].credited) == (None, 1, 1)
    assert dict(table.unmatched) == {"Old Ad": 1_500}
    assert any(one.startswith("Cost without touches: billboard.") for one in table.words)
    assert any(one.startswith("Credit without cost: brand.") for one in table.words)


def test_ads_are_paid_for_by_the_name_that_their_touches_go_by(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=8, held=2, base=0.0, lift=0.0))
    paid(store, None, 1_200, label="brand")
    paid(store, None, 300, label="brand", medium="display")
    paid(store, None, 1_500, label="Old Ad")
    world.touches([(1, "search", "brand", "visited", ANCHOR), (2, "search", "autumn", "visited", ANCHOR)])
    world.orders([(1, ANCHOR + timedelta(hours=3), 900, "EUR")])
    table = world.beside()
    row = next(one for one in table.rows if one.name == "brand")
    assert (row.cost, row.credited, row.cost_per_conversion) == (1_500, 1, 1_500)
    assert row.roas == pytest.approx(0.6)
    assert dict(table.unmatched) == {"Old Ad": 1_500}
    assert not any("brand" in one for one in table.words if one.startswith("Credit without cost"))
    # By channel it is the medium that it was paid for.
    assert dict(world.beside(by="channel").unmatched) == {}


def test_a_channel_without_a_price_is_named_with_its_file(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=8, held=2))
    words = world.beside().words
    assert "8 messages by email have no price (`cost:` in channels/email.yaml) and count as nothing." in words
    assert world.row().cost is None
    assert world.row().iroas.reason == "no cost is known"
    free = shop(campaign())
    free.channels["email"] = replace(EMAIL, cost=Money(0, "EUR"))
    row = world.row(definitions=free)
    assert (row.cost, row.roas, row.iroas.value) == (0, None, None)
    assert row.iroas.reason == "it cost nothing"


def test_a_cost_in_a_currency_without_a_rate_is_not_added_up(store: Store, tmp_path: object) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(channels=BY_TEXT))
    paid(store, "spring", 10_000, currency="USD")
    row = world.row()
    assert (row.cost, row.iroas.value) == (None, None)
    assert row.cost_reason == "some of it is in USD, and there is no rate"
    assert any(
        "Some costs are in USD, and config/rates.csv has no rate to EUR" in one
        for one in world.beside().words
    )


def test_a_rate_counts_it(store: Store, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "config").mkdir()
    (tmp_path / "config/rates.csv").write_text("day,from,to,rate\n2027-01-01,USD,EUR,0.5\n")
    world = World(store, shop(campaign(), root=str(tmp_path)))
    world.add(Planted(channels=BY_TEXT))
    paid(store, "spring", 10_000, currency="USD")
    assert world.row().cost == 5_000 + 2_400


def test_by_channel_only_what_was_drawn_has_an_effect(store: Store) -> None:
    world = World(store, shop(campaign(), with_variants("mixed", "letter", "text")), seed=4)
    one = world.add(Planted(treated=800, held=200))
    paid(store, "brand", 3_000, medium="search")
    world.touches([(1, "search", "brand", "visited", ANCHOR)])
    rows = {row.name: row for row in world.beside("channel").rows}
    assert rows["email"].increment is not None
    assert rows["email"].increment.conversions.estimate == pytest.approx(
        len(one.bought["treated"]) - 4 * len(one.bought["holdout"])
    )
    assert (rows["search"].increment, rows["search"].reason) == (None, "not randomised")
    assert rows["search"].cost == 3_000


def test_a_run_with_two_channels_says_nothing_about_either_unless_its_variants_differ_by_channel(
    store: Store,
) -> None:
    world = World(store, shop(with_variants("mixed", "letter", "text")), seed=4)
    one = world.add(
        Planted(
            "mixed",
            treated=800,
            held=200,
            variants=("letter", "text"),
            channels={"letter": "email", "text": "sms"},
        )
    )
    rows = {row.name: row for row in world.beside("channel").rows}
    assert rows["email"].increment is not None
    assert rows["sms"].increment is not None
    together = rows["email"].increment.conversions.estimate + rows["sms"].increment.conversions.estimate
    assert together == pytest.approx(len(one.bought["treated"]) - 4 * len(one.bought["holdout"]))
    assert rows["sms"].part == ""
    with store.durable("seed") as connection:
        # One text message of the letter's arm: who got which is no longer by lot there.
        first = connection.scalar(
            sa.select(sa.func.min(sending.messages.c.id)).where(sending.messages.c.channel == "email")
        )
        connection.execute(
            sa.update(sending.messages).where(sending.messages.c.id == first).values(channel="sms")
        )
    rows = {row.name: row for row in world.beside("channel").rows}
    assert (rows["email"].increment, rows["email"].reason) == (None, "not randomised")
    assert rows["sms"].increment is not None
    assert rows["sms"].part == "1 of its messages are of runs that had nobody held out, or other channels too"
    assert rows["sms"].over_claiming.value is None


def test_credit_of_a_channel_is_scaled_to_what_its_drawn_campaigns_caused(store: Store) -> None:
    world = World(store, shop(campaign(), campaign("blast", held=0)), seed=4)
    one = world.add(Planted(treated=800, held=200, base=0.2, lift=0.3))
    whole = world.row("email", "channel")
    assert whole.increment is not None
    assert whole.as_json()["calibrated"]["estimate"] == pytest.approx(whole.increment.conversions.estimate)
    # The same again, of whom nobody was held out: half of the channel is known.
    other = world.add(Planted("blast", treated=800, held=0, base=0.2, lift=0.3, first=2_000))
    row = world.row("email", "channel")
    assert row.part.startswith("800 of its messages")
    assert row.over_claiming.value is None
    assert row.calibrated is not None
    assert row.calibrated.interval is not None
    mine, theirs = (len(run.bought["treated"]) for run in (one, other))
    assert row.credited == mine + theirs
    share = (mine + theirs) / mine
    assert row.calibrated.estimate == pytest.approx(whole.increment.conversions.estimate * share)
    assert row.calibrated.interval[0] < 0.3 * 1_600 < row.calibrated.interval[1]
    assert any("if the rest works as they do" in words for words in world.beside("channel").words)


def test_costs_of_no_channel_are_a_line_of_their_own(store: Store) -> None:
    world = World(store, shop(campaign(costs=(("photographs", Money(5_000, "EUR")),))))
    world.add(Planted(treated=8, held=2))
    assert dict(world.beside("channel").unmatched) == {"spring: photographs": 5_000}


def test_every_cent_is_in_one_line_by_campaign_and_by_channel(store: Store) -> None:
    fixed = (("photographs", Money(5_000, "EUR")), ("print", Money(333, "EUR")))
    world = World(store, shop(campaign(costs=fixed), campaign("other")))
    world.add(Planted(treated=80, held=20, channels=BY_TEXT))
    world.add(Planted("other", treated=40, held=10, first=500, channels=BY_TEXT))
    for number, name in enumerate(("spring", "brand", None, "billboard", None)):
        paid(store, name, 1_001 * (number + 1), medium=("search", "print", "", "street", "search")[number])
    paid_in_all = 5_333 + 120 * 6 + 1_001 * 15
    for by in ("campaign", "channel"):
        table = world.beside(by)
        assert sum(row.cost or 0 for row in table.rows) + sum(table.unmatched.values()) == paid_in_all, by


def test_a_run_that_found_nobody_still_cost_what_is_fixed(store: Store) -> None:
    world = World(store, shop(campaign(costs=(("photographs", Money(5_000, "EUR")),))))
    world.add(Planted(treated=0, held=0))
    assert world.row().cost == 5_000


def test_costs_count_in_the_time_in_which_they_were_paid(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(channels=BY_TEXT, anchor=ANCHOR - 10 * DAY))
    assert world.row().cost is None
    early = Period(to_micros(ANCHOR - 30 * DAY), PERIOD.opens)
    assert world.row(period=early).cost == 2_400
