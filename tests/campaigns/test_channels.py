"""Several channels in one campaign: whom each reaches, one message an address, one an account, copies for staff."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from support.shop import SALT, copy_workspace, seed
from tidings.campaigns.assignment import bucket, salt_for
from tidings.campaigns.costing import spending
from tidings.campaigns.legs import legs_of
from tidings.campaigns.planning import check_drift, estimated, load_plan, make_plan
from tidings.campaigns.runs import start_run
from tidings.clock import to_micros
from tidings.customers.identity import Drawer, address_hash
from tidings.definitions.kinds.campaign import Campaign, Holdout, Variant
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.definitions.loader import load
from tidings.definitions.values import Money, Price, Share
from tidings.definitions.workspace import Definitions
from tidings.delivery.verify import verify
from tidings.store.database import Store
from tidings.store.tables import people, sending
from tidings.store.vocabulary import apply_changes, attributes_table

CAMPAIGN = """\
campaign: Win back
purpose: marketing
to: everybody
send: spring_winback
via: email
holdout: none
goal:
  did: order_placed
  within: 14 days
"""
EVERYBODY = "segment: Everybody\nwhere:\n  - last_order_at: known\n"
STAFF = "segment: Staff\nwhere:\n  - full_name: [Customer 1, Customer 2]\n"


def shop(tmp_path: Path, **changes: object) -> Definitions:
    """Return the workspace with two more channels and the campaign changed."""
    files = {"segments__everybody": EVERYBODY, "segments__staff": STAFF, "campaigns__win_back": CAMPAIGN}
    definitions = load(copy_workspace(tmp_path / "shop", **files))
    channels = {
        **definitions.channels,
        "sms": Channel("sms", "SMS", "channels/sms.yaml", "outbox", "sms", "+886222222222"),
        "fax": Channel("fax", "Fax", "channels/fax.yaml", "outbox", "fax", "+886233333333"),
    }
    campaign = replace(definitions.campaigns["win_back"], **changes)  # type: ignore[arg-type]
    return replace(definitions, channels=channels, campaigns={"win_back": campaign})


def give(store: Store, key: str, **columns: object) -> None:
    """Change columns of a customer; an address brings its hash."""
    for column, kind in (("email", "email"), ("phone", "sms"), ("fax", "fax")):
        if columns.get(column):
            columns[f"{column}_hash"] = address_hash(SALT, kind, str(columns[column]))
    with store.durable("test") as connection:
        connection.execute(people.customers.update().where(people.customers.c.key == key).values(**columns))


def agree(store: Store, kind: str, keys: list[str], state: str = "granted") -> None:
    """Record consent (or another state) on a kind of channel."""
    now = to_micros(store.clock.now())
    with store.durable("test") as connection:
        ids = connection.execute(
            sa.select(people.customers.c.id).where(people.customers.c.key.in_(keys))
        ).scalars()
        rows = [
            {
                "customer_id": one,
                "channel": kind,
                "purpose": "marketing",
                "state": state,
                "basis": "test",
                "source": "test",
                "at": now,
                "received_at": now,
            }
            for one in ids
        ]
        connection.execute(people.consents.insert(), rows)


def members(store: Store, plan_hash: str) -> dict[str, tuple[object, ...]]:
    """Return arm, channel, leg and refusal of each member by key."""
    plan_id, _, _ = load_plan(store, plan_hash)
    rows = sending.plan_members
    with store.read() as connection:
        return {
            row.key: (row.arm, row.channel, row.leg, row.refusal_code)
            for row in connection.execute(
                sa.select(people.customers.c.key, rows)
                .join(people.customers, people.customers.c.id == rows.c.customer_id)
                .where(rows.c.plan_id == plan_id)
            )
        }


def test_each_customer_is_written_to_by_the_first_channel_that_reaches(store, clock, tmp_path) -> None:
    seed(store, 5)
    give(store, "c2", email=None, phone="+886911000002")
    give(store, "c3", email=None, phone="+886911000003", fax="+886222000003")
    give(store, "c4", phone="+886911000004")
    give(store, "c5", email=None)
    agree(store, "sms", ["c2", "c4"])
    agree(store, "fax", ["c3"])
    definitions = shop(tmp_path, via=("email", "sms", "fax"))
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    assert members(store, plan.hash) == {
        "c1": ("treated", "email", 0, None),
        "c2": ("treated", "sms", 1, None),
        "c3": ("treated", "fax", 2, None),
        "c4": ("treated", "email", 0, None),
        "c5": (None, None, None, "unreachable"),
    }
    assert [(leg.leg, leg.channel, leg.messages, leg.later) for leg in plan.legs] == [
        (0, "email", 2, 0),
        (1, "sms", 1, 1),
        (2, "fax", 1, 0),
    ]
    assert plan.messages == (("email", 2), ("fax", 1), ("sms", 1))
    assert plan.unreached == 1
    assert plan.as_json()["legs"][1] == {"leg": 1, "channel": "sms", "messages": 1, "later": 1}


ATTRIBUTE = Attribute("preferred_channel", "text", "Likes best")


def prefer(store: Store, definitions: Definitions, wishes: dict[str, str]) -> Definitions:
    """Declare the attribute and store what customers chose."""
    others = [one for one in definitions.attributes.attributes if one.name != ATTRIBUTE.name]
    attributes = Attributes((*others, ATTRIBUTE))
    apply_changes(store, attributes)
    table = attributes_table(attributes)
    with store.durable("test") as connection:
        for key, wish in wishes.items():
            one = sa.select(people.customers.c.id).where(people.customers.c.key == key).scalar_subquery()
            connection.execute(
                table.update().where(table.c.customer_id == one).values(preferred_channel=wish)
            )
    return replace(definitions, attributes=attributes)


def test_preferred_is_each_customers_own_choice_and_the_rest_follows_in_order(store, clock, tmp_path) -> None:
    seed(store, 6)
    for n in range(1, 7):
        give(store, f"c{n}", phone=f"+88691100000{n}")
    agree(store, "sms", ["c1", "c2", "c3", "c4", "c6"])
    definitions = prefer(
        store,
        shop(tmp_path, via=("preferred", "email", "sms")),
        {"c1": "SMS", "c2": "email", "c3": "pigeon", "c5": "sms", "c6": "sms"},
    )
    give(store, "c6", email=None)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    assert members(store, plan.hash) == {
        "c1": ("treated", "sms", 0, None),
        "c2": ("treated", "email", 0, None),
        "c3": ("treated", "email", 1, None),
        "c4": ("treated", "email", 1, None),
        # Chose SMS and never agreed to it.
        "c5": ("treated", "email", 1, None),
        "c6": ("treated", "sms", 0, None),
    }
    later = {(leg.leg, leg.channel): leg.later for leg in plan.legs}
    # c1 has e-mail left; SMS is left to c2, c3 and c4, not to those who had it first.
    assert (later[1, "email"], later[2, "sms"]) == (1, 3)


def test_a_choice_names_a_channel_or_a_kind(tmp_path) -> None:
    definitions = shop(tmp_path, via=("preferred", "sms", "email"))
    second = replace(definitions.channels["sms"], id="text")
    definitions = replace(
        definitions,
        channels={**definitions.channels, "text": second},
        attributes=Attributes((*definitions.attributes.attributes, ATTRIBUTE)),
    )
    campaign: Campaign = replace(definitions.campaigns["win_back"], via=("preferred", "text", "email"))
    found = [(leg.position, leg.channel, leg.chosen, leg.skipped) for leg in legs_of(campaign, definitions)]
    assert found == [
        (0, "text", ("text", "sms"), ()),
        (0, "email", ("email",), ()),
        (1, "text", (), ("text", "sms")),
        (2, "email", (), ("email",)),
    ]
    without = replace(definitions, attributes=Attributes(()))
    assert [leg.position for leg in legs_of(campaign, without)] == [1, 2]


def test_who_shares_an_address_gets_one_message_unless_each_is_asked_for(store, clock, tmp_path) -> None:
    seed(store, 5)
    give(store, "c3", email="C1@customers.example".lower())
    give(store, "c4", email=None, phone="+886911000005")
    give(store, "c5", email=None, phone="+886911000005")
    agree(store, "sms", ["c4", "c5"])
    plan = make_plan(store, shop(tmp_path, via=("email", "sms")), "win_back", now=clock.now())
    assert {key: row[3] for key, row in members(store, plan.hash).items() if row[3]} == {
        "c3": "same_address",
        "c5": "same_address",
    }
    assert plan.refusals == (("same_address", 2),)
    assert (plan.people, plan.unreached) == (3, 0)
    each = make_plan(
        store, shop(tmp_path, via=("email", "sms"), one_each="customer"), "win_back", now=clock.now()
    )
    assert (each.people, each.refusals) == (5, ())


def test_the_one_who_shares_an_address_counts_only_when_written_to_there(store, clock, tmp_path) -> None:
    seed(store, 2)
    give(store, "c2", email="c1@customers.example")
    agree(store, "email", ["c1"], "withdrawn")
    plan = make_plan(store, shop(tmp_path), "win_back", now=clock.now())
    assert members(store, plan.hash)["c2"] == ("treated", "email", 0, None)


def accounts(store: Store, count: int, size: int) -> None:
    """Put customers c1 … into accounts of `size`."""
    for n in range(1, count + 1):
        give(store, f"c{n}", account=f"dealer {(n - 1) // size}")


def test_accounts_are_drawn_whole_and_one_member_is_written_to(store, clock, tmp_path) -> None:
    seed(store, 120)
    accounts(store, 117, 3)
    give(store, "c1", email=None)
    for key in ("c4", "c5", "c6"):
        give(store, key, email=None)
    give(store, "c8", email="c7@customers.example")
    give(store, "c10", email="c7@customers.example")
    definitions = shop(tmp_path, unit="account", holdout=Holdout(Share(4000)))
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    found = members(store, plan.hash)
    draw = Drawer(SALT)
    for n in range(1, 118):
        account = f"dealer {(n - 1) // 3}"
        if account == "dealer 1":
            assert found[f"c{n}"] == (None, "email", 0, "no_address")
            continue
        held = bucket(draw.u(f"account:{account}"), salt_for(SALT, "win_back/once", "holdout")) < 4000
        standing = {"dealer 0": "c2", "dealer 3": "c11"}.get(account, f"c{(n - 1) // 3 * 3 + 1}")
        assert found[f"c{n}"][0] == ("holdout" if held else "treated")
        assert (found[f"c{n}"][1] is not None) == (f"c{n}" == standing)
    units = {
        arm: sum(1 for row in found.values() if row[0] == arm and row[1]) for arm in ("treated", "holdout")
    }
    assert units["treated"] + units["holdout"] == 41
    assert plan.people == units["treated"] == sum(count for _, count in plan.messages)
    assert dict(plan.covered)["treated"] + dict(plan.covered)["holdout"] == 38 * 2
    run = start_run(store, definitions, plan.hash, approved_by="ann", now=clock.now())
    with store.read() as connection:
        arms = dict(
            connection.execute(
                sa.select(sending.enrolments.c.arm, sa.func.count())
                .where(sending.enrolments.c.run_id == run.id)
                .group_by(sending.enrolments.c.arm)
            ).all()
        )
        written = connection.execute(sa.select(sa.func.count()).select_from(sending.messages)).scalar_one()
        numbers = set(
            connection.execute(
                sa.select(people.customers.c.account_u).where(people.customers.c.account == "dealer 2")
            ).scalars()
        )
    assert sum(arms.values()) == sum(1 for row in found.values() if row[0])
    assert written == units["treated"]
    assert numbers == {draw.u("account:dealer 2")}
    assert verify(store).broken == ()


def test_the_global_control_stands_outside_accounts_too(store, clock, tmp_path) -> None:
    seed(store, 300)
    accounts(store, 300, 3)
    definitions = shop(tmp_path, unit="account")
    policies = replace(definitions.policies, global_control=Share(2000))
    plan = make_plan(store, replace(definitions, policies=policies), "win_back", now=clock.now())
    found = members(store, plan.hash)
    with store.read() as connection:
        u = dict(connection.execute(sa.select(people.customers.c.key, people.customers.c.u)).all())
    control = {key for key in u if bucket(u[key], salt_for(SALT, "", "global control")) < 2000}
    assert {key for key, row in found.items() if row[0] == "control"} == control
    free = {(int(key[1:]) - 1) // 3 for key in u.keys() - control}
    assert plan.people == len(free)


def test_staff_get_each_wording_and_are_no_part_of_the_audience(store, clock, tmp_path) -> None:
    seed(store, 30)
    give(store, "c2", email=None)
    variants = (Variant("warm"), Variant("direct"))
    definitions = shop(tmp_path, copies_to=("staff",), variants=variants)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    assert (plan.audience, plan.people, plan.copies, plan.copy_messages) == (28, 28, 1, len(variants))
    assert plan.refusals == ()
    found = members(store, plan.hash)
    assert found["c1"] == ("copy", "email", 0, None)
    assert "c2" not in found
    assert make_plan(store, definitions, "win_back", now=clock.now()).entering == 0
    check_drift(store, definitions, plan, now=clock.now())
    run = start_run(store, definitions, plan.hash, approved_by="ann", now=clock.now())
    enrolments, messages = sending.enrolments, sending.messages
    with store.read() as connection:
        copies = connection.execute(
            sa.select(enrolments.c.entry, enrolments.c.variant, messages.c.variant, messages.c.channel)
            .join(messages, messages.c.enrolment_id == enrolments.c.id)
            .where(enrolments.c.arm == "copy", enrolments.c.run_id == run.id)
            .order_by(enrolments.c.entry)
        ).all()
    assert [tuple(row) for row in copies] == [
        (entry, one.name, one.name, "email") for entry, one in enumerate(variants, 1)
    ]
    assert verify(store).broken == ()


def test_costs_go_by_unit_fixed_ones_are_added_and_estimates_are_kept(store, clock, tmp_path) -> None:
    seed(store, 4)
    give(store, "c3", email=None, phone="+886911000003")
    give(store, "c4", phone="+886911000004")
    agree(store, "sms", ["c3", "c4"])
    definitions = shop(
        tmp_path, via=("email", "sms"), costs=(("design", Money(5000, "EUR")),), budget=Money(5100, "EUR")
    )
    priced = {
        "email": replace(definitions.channels["email"], cost=Money(1, "EUR")),
        "sms": replace(definitions.channels["sms"], cost=Money(7, "EUR"), cost_unit="segment"),
    }
    definitions = replace(definitions, channels={**definitions.channels, **priced})
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    assert (plan.cost, plan.cost_most, plan.cost_currency) == (5000 + 3 + 7, 5000 + 3 + 7 + 7, "EUR")
    better = estimated(store, plan, {"sms": 2.5})
    assert (better.cost, better.cost_most) == (5000 + 3 + 18, 5000 + 3 + 18 + 18)
    assert load_plan(store, plan.hash)[2] == better
    assert [(one.channel, one.units, one.estimated) for one in better.costs] == [
        ("email", 1.0, False),
        ("sms", 2.5, True),
    ]
    assert estimated(store, better, {"sms": 20.0}).over_budget


def test_prices_of_parts_of_a_cent_are_added_up_before_anything_is_rounded(store, clock, tmp_path) -> None:
    seed(store, 3)
    definitions = shop(tmp_path, via=("email",), budget=Money(5, "EUR"))
    priced = {"email": replace(definitions.channels["email"], cost=Price(750_000, "EUR"))}
    definitions = replace(definitions, channels={**definitions.channels, **priced})
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    assert (plan.people, plan.cost) == (3, 2), "2.25 cents"
    assert load_plan(store, plan.hash)[2] == plan
    assert spending(plan)["prices"] == {"email": 750_000}
