import itertools
import random
from typing import Any

import pytest
import sqlalchemy as sa

from support.import_world import MARKETING, RECEIPTS, SERVICE
from tidings.customers.consent import ConsentRow, latest_consent, record
from tidings.customers.leaving import stop
from tidings.customers.permission import CODES, reach_counts, refusal, refusals
from tidings.customers.suppression import lift, suppress, suppress_many
from tidings.definitions.kinds.rules import Purpose
from tidings.store.database import Store
from tidings.store.tables import people

customers = people.customers


def put(store: Store, number: int, **more: Any) -> None:
    values = {
        "id": number,
        "key": f"C{number}",
        "u": number,
        "email": f"u{number}@x.se",
        "email_hash": f"h{number}",
        "created_at": 0,
    }
    with store.durable("test") as connection:
        connection.execute(sa.insert(customers).values(values | more))


def said(
    number: int,
    state: str,
    at: int,
    purpose: str = "marketing",
    channel: str = "email",
    topic: str | None = None,
) -> ConsentRow:
    return ConsentRow(number, channel, purpose, state, "basis", "test", at, 1_000, topic)


def code(store: Store, number: int, purpose: Purpose = MARKETING, kind: str = "email") -> str | None:
    with store.read() as connection:
        one = connection.execute(
            sa.select(refusal(kind, purpose)).where(customers.c.id == number)
        ).scalar_one()
        inner = refusals(kind, purpose).subquery()
        other = connection.execute(sa.select(inner.c.code).where(inner.c.customer_id == number)).all()
    assert not other or other[0][0] == one, "looking up and joining disagree"
    return one


def test_the_latest_word_speaks(store: Store) -> None:
    put(store, 1)
    assert code(store, 1) == "no_consent"
    for state, at, expected in (
        ("granted", 1, None),
        ("withdrawn", 2, "unsubscribed_list"),
        ("granted", 3, None),
        ("pending", 4, "consent_unconfirmed"),
        # Heard late, said early: changes nothing.
        ("granted", 2, "consent_unconfirmed"),
    ):
        with store.durable("test") as connection:
            assert record(connection, [said(1, state, at)]) == 1
        assert code(store, 1) == expected


def test_of_two_words_of_one_instant_the_one_recorded_later_speaks(store: Store) -> None:
    put(store, 1)
    with store.durable("test") as connection:
        record(connection, [said(1, "granted", 5), said(1, "withdrawn", 5)])
    assert code(store, 1) == "unsubscribed_list"


def test_a_word_dated_into_the_future_cannot_outrank_what_is_said_later(store: Store) -> None:
    put(store, 1)
    with store.durable("test") as connection:
        record(connection, [said(1, "granted", 10**9), said(1, "withdrawn", 1_000)])
    assert code(store, 1) == "unsubscribed_list"


def test_a_withdrawal_for_all_stops_every_purpose_but_transactional_until_a_later_grant(store: Store) -> None:
    put(store, 1)
    with store.durable("test") as connection:
        record(connection, [said(1, "granted", 1), said(1, "withdrawn", 2, "all")])
    assert code(store, 1) == "unsubscribed_all"
    assert code(store, 1, SERVICE) == "unsubscribed_all"
    assert code(store, 1, RECEIPTS) is None
    with store.durable("test") as connection:
        record(connection, [said(1, "granted", 3)])
    assert code(store, 1) is None
    assert code(store, 1, SERVICE) == "unsubscribed_all"


def test_a_withdrawal_for_its_own_purpose_stops_even_transactional_messages(store: Store) -> None:
    put(store, 1)
    with store.durable("test") as connection:
        record(connection, [said(1, "withdrawn", 1, "receipts"), said(1, "withdrawn", 2, "all")])
    assert code(store, 1, RECEIPTS) == "unsubscribed_list"


def test_another_channel_purpose_or_a_single_topic_does_not_speak(store: Store) -> None:
    put(store, 1)
    with store.durable("test") as connection:
        record(
            connection,
            [
                said(1, "granted", 1),
                said(1, "withdrawn", 2, channel="sms"),
                said(1, "withdrawn", 2, purpose="service"),
                said(1, "withdrawn", 2, topic="roses"),
            ],
        )
    assert code(store, 1) is None


def test_no_address_comes_before_consent_and_each_kind_has_its_own(store: Store) -> None:
    put(store, 1, email=None, email_hash=None, phone="+46701740605", phone_hash="p1")
    with store.durable("test") as connection:
        record(connection, [said(1, "granted", 1), said(1, "granted", 1, channel="sms")])
    assert code(store, 1) == "no_address"
    assert code(store, 1, kind="sms") is None
    assert code(store, 1, kind="fax") == "no_address"


def test_an_address_without_its_hash_counts_as_none_for_a_suppression_could_be_overlooked(
    store: Store,
) -> None:
    put(store, 1, email_hash=None)
    assert code(store, 1, SERVICE) == "no_address"


@pytest.mark.parametrize("reason", ["bounce", "complaint", "manual", "erased"])
def test_a_suppressed_address_is_refused_for_every_purpose(store: Store, reason: str) -> None:
    put(store, 1)
    with store.durable("test") as connection:
        record(connection, [said(1, "granted", 1)])
        assert suppress(connection, "email", "h1", reason, "test", 1)
    assert {code(store, 1, purpose) for purpose in (MARKETING, SERVICE, RECEIPTS)} == {f"suppressed_{reason}"}


def test_suppressing_again_changes_nothing_unless_graver(store: Store) -> None:
    put(store, 1)
    with store.durable("test") as connection:
        assert suppress(connection, "email", "h1", "bounce", "a", 1)
        assert not suppress(connection, "email", "h1", "bounce", "b", 2)
        assert not suppress(connection, "email", "h1", "manual", "b", 2)
    assert code(store, 1) == "suppressed_bounce"
    with store.durable("test") as connection:
        assert (
            suppress_many(
                connection, "email", [("h1", "manual"), ("h1", "complaint"), ("h2", "bounce")], "c", 3
            )
            == 2
        )
    assert code(store, 1) == "suppressed_complaint"


def test_a_lifted_address_may_be_written_to_and_an_erased_one_is_never_lifted(store: Store) -> None:
    put(store, 1)
    put(store, 2)
    with store.durable("test") as connection:
        suppress(connection, "email", "h1", "bounce", "a", 1)
        suppress(connection, "email", "h2", "erased", "a", 1)
        assert lift(connection, "email", "h1", 2)
        assert not lift(connection, "email", "h1", 2)
        assert not lift(connection, "email", "h2", 2)
    assert code(store, 1, SERVICE) is None
    assert code(store, 2, SERVICE) == "suppressed_erased"
    with store.durable("test") as connection:
        assert suppress(connection, "email", "h1", "bounce", "a", 3)
    assert code(store, 1, SERVICE) == "suppressed_bounce"


def test_an_erased_customer_is_refused_first_of_all_and_not_counted(store: Store) -> None:
    put(store, 1, tombstoned_at=5, email=None, email_hash=None)
    assert code(store, 1, SERVICE) == "suppressed_erased"
    with store.read() as connection:
        assert reach_counts(connection, [SERVICE], ["email"]) == {("email", "service"): {}}


def test_purposes_of_which_nobody_spoke_are_counted_like_the_others(store: Store) -> None:
    for number in range(1, 6):
        put(store, number)
    news, survey = Purpose("news", "marketing"), Purpose("survey", "survey")
    with store.durable("test") as connection:
        record(
            connection, [said(1, "granted", 1), said(2, "pending", 1), said(3, "granted", 1, channel="sms")]
        )
        suppress(connection, "email", "h4", "bounce", "test", 1)
    purposes = [MARKETING, news, survey, SERVICE, RECEIPTS]
    silent = {"no_consent": 4, "suppressed_bounce": 1}
    with store.read() as connection:
        assert reach_counts(connection, purposes, ["email"]) == {
            ("email", "marketing"): {
                None: 1,
                "no_consent": 2,
                "consent_unconfirmed": 1,
                "suppressed_bounce": 1,
            },
            ("email", "news"): silent,
            ("email", "survey"): silent,
            ("email", "service"): {None: 4, "suppressed_bounce": 1},
            ("email", "receipts"): {None: 4, "suppressed_bounce": 1},
        }
    with store.durable("test") as connection:
        record(connection, [said(1, "withdrawn", 2, "all")])
    with store.read() as connection:
        counts = reach_counts(connection, purposes, ["email"])
    heeding = {"unsubscribed_all": 1, "no_consent": 3, "suppressed_bounce": 1}
    asked = {"unsubscribed_all": 1, "no_consent": 2, "consent_unconfirmed": 1, "suppressed_bounce": 1}
    assert [counts["email", one.name] for one in purposes[:3]] == [asked, heeding, heeding]
    assert counts["email", "service"] == {"unsubscribed_all": 1, None: 3, "suppressed_bounce": 1}
    assert counts["email", "receipts"] == {None: 4, "suppressed_bounce": 1}


@pytest.mark.parametrize(
    ("kind", "gone"), [("email", "unsubscribed_all"), ("sms", "stop_sms"), ("fax", "fax_optout")]
)
def test_a_withdrawal_of_everything_is_called_by_its_kind_of_channel(
    store: Store, kind: str, gone: str
) -> None:
    put(store, 1)
    number = {"phone": "+1", "phone_hash": "p1", "fax": "+2", "fax_hash": "f1"}
    with store.durable("test") as connection:
        connection.execute(sa.update(customers).values(**number))
        record(connection, [said(1, "granted", 1, channel=kind), said(1, "withdrawn", 2, "all", kind)])
    with store.read() as connection:
        assert connection.execute(sa.select(refusal(kind, MARKETING))).scalar_one() == gone


def test_stop_is_called_stop_for_the_messages_that_everything_does_not_hold_back(store: Store) -> None:
    put(store, 1)
    with store.durable("test") as connection:
        connection.execute(sa.update(customers).values(phone="+1", phone_hash="p1"))
        stop(connection, [1], "sms", always_sent=["receipts"], source="test", at=1, now=1)
    with store.read() as connection:
        assert connection.execute(sa.select(refusal("sms", RECEIPTS))).scalar_one() == "stop_sms"


def test_a_topic_is_agreed_to_and_left_without_the_others(store: Store) -> None:
    put(store, 1)

    def codes() -> tuple[str | None, ...]:
        with store.read() as connection:
            return tuple(
                connection.execute(sa.select(refusal("email", MARKETING, topic))).scalar_one()
                for topic in ("", "roses", "tulips")
            )

    for state, at, topic, expected in (
        ("granted", 1, "roses", ("no_consent", None, "no_consent")),
        ("granted", 2, None, (None, None, None)),
        ("withdrawn", 3, "roses", (None, "unsubscribed_list", None)),
        ("withdrawn", 4, None, ("unsubscribed_list",) * 3),
    ):
        with store.durable("test") as connection:
            record(connection, [said(1, state, at, topic=topic)])
        assert codes() == expected, (state, at)


def test_an_unknown_state_is_refused(store: Store) -> None:
    put(store, 1)
    with store.durable("test") as connection, pytest.raises(ValueError, match="granted"):
        record(connection, [said(1, "maybe", 1)])


def judge(
    person: dict[str, Any],
    consents: list[ConsentRow],
    suppressed: dict[str, str],
    purpose: Purpose,
    topic: str | None,
) -> str | None:
    """The gate in plain Python."""
    if person["email"] is None:
        return "no_address"
    if person["email_hash"] in suppressed:
        return "suppressed_" + suppressed[person["email_hash"]]
    heeded = {purpose.name} if purpose.message_class == "transactional" else {purpose.name, "all"}
    mine = [
        (row.at, place, row)
        for place, row in enumerate(consents)
        if row.customer_id == person["id"]
        and row.channel == "email"
        and row.purpose in heeded
        and (row.topic is None or (row.topic == topic and row.purpose == purpose.name))
    ]
    latest = max(mine)[2] if mine else None
    if latest is not None and latest.state == "withdrawn":
        return "unsubscribed_all" if latest.purpose == "all" else "unsubscribed_list"
    if purpose.consent != "required" or (latest is not None and latest.state == "granted"):
        return None
    return "no_consent" if latest is None else "consent_unconfirmed"


@pytest.mark.parametrize("seed", range(3))
def test_the_gate_agrees_with_plain_python_on_random_histories(store: Store, seed: int) -> None:
    draw = random.Random(seed)
    people_ = []
    for number in range(1, 301):
        there = draw.random() < 0.9
        person = {"id": number, "key": str(number), "u": 1, "created_at": 0,
                  "email": f"u{number}@x.se" if there else None, "email_hash": f"h{number}" if there else None}  # fmt: skip
        people_.append(person)
    consents = [
        said(
            draw.randint(1, 300),
            draw.choice(["granted", "withdrawn", "pending"]),
            draw.randint(1, 6),
            draw.choice(["marketing", "service", "receipts", "all"]),
            draw.choice(["email", "email", "sms"]),
            draw.choice([None, None, "roses"]),
        )
        for _ in range(900)
    ]
    suppressed = {
        f"h{number}": draw.choice(["bounce", "manual", "complaint"])
        for number in draw.sample(range(1, 301), 30)
    }
    with store.durable("test") as connection:
        connection.execute(sa.insert(customers), people_)
        record(connection, consents)
        suppress_many(connection, "email", list(suppressed.items()), "test", 1)
    purposes = (MARKETING, SERVICE, RECEIPTS)
    seen = set()
    with store.read() as connection:
        for purpose, topic in itertools.product(purposes, ("", "roses", "tulips")):
            expected = {
                person["id"]: judge(person, consents, suppressed, purpose, topic or None)
                for person in people_
            }
            looked_up = dict(
                connection.execute(sa.select(customers.c.id, refusal("email", purpose, topic))).all()
            )
            joined = dict(connection.execute(refusals("email", purpose, topic)).all())
            assert looked_up == joined == expected
            if topic:
                continue
            counts = reach_counts(connection, [purpose], ["email"])["email", purpose.name]
            assert counts == {
                key: len(list(group)) for key, group in itertools.groupby(sorted(expected.values(), key=str))
            }
            seen |= set(expected.values())
    assert seen - {None} <= set(CODES)
    assert len(seen) == 9


def test_the_latest_consents_are_one_row_a_customer(store: Store) -> None:
    put(store, 1)
    put(store, 2)
    with store.durable("test") as connection:
        record(connection, [said(1, "granted", 1), said(1, "withdrawn", 2, "all"), said(2, "pending", 1)])
    latest = latest_consent("email", "marketing")
    with store.read() as connection:
        rows = connection.execute(
            sa.select(latest.c.customer_id, latest.c.state, latest.c.purpose, latest.c.at)
        ).all()
    assert sorted(rows) == [(1, "withdrawn", "all", 2), (2, "pending", "marketing", 1)]
