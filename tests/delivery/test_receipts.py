"""What providers say about messages: stored once, merged in any order, and taking effect."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.receipt_world import REFERRER, SALT, again, receipt, states, take, world
from support.tracking import rows_of
from tidings.channels.protocol import Receipt, ReceiptKind
from tidings.delivery.receipts import TakenIn
from tidings.delivery.reference import Referrer, referrer_of
from tidings.delivery.verify import verify
from tidings.store.tables import people, sending

CLIMBS = [
    ("accepted", ["queued"], "accepted"),
    ("accepted", ["delivered"], "delivered"),
    ("accepted", ["deferred", "opened"], "accepted"),
    ("accepted", ["bounced"], "bounced"),
    ("delivered", ["bounced"], "bounced"),
    ("delivered", ["sent", "queued"], "delivered"),
    ("bounced", ["delivered"], "bounced"),
    ("bounced", ["complained"], "complained"),
    ("complained", ["bounced", "delivered"], "complained"),
    ("in_doubt", ["queued"], "accepted"),
    ("in_doubt", ["delivered"], "delivered"),
    ("in_doubt", ["bounced"], "bounced"),
    ("in_doubt", ["other"], "in_doubt"),
    ("deferred", ["delivered"], "delivered"),
    ("unconfirmed", ["sent"], "unconfirmed"),
    ("unconfirmed", ["delivered"], "delivered"),
    ("unconfirmed", ["bounced"], "bounced"),
    ("cancelled", ["delivered"], "delivered"),
    ("cancelled", ["queued"], "cancelled"),
    ("rejected", ["delivered", "bounced"], "rejected"),
]


def test_a_message_climbs_and_never_comes_down(store) -> None:
    for before, said, after in CLIMBS:
        (message,) = world(store, state=before)
        assert take(store, [receipt(message, kind) for kind in said]).applied == len(said), (before, said)
        assert states(store, [message]) == [after], (before, said)


@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        (["unconfirmed", "accepted"], ["unconfirmed", "accepted"]),
        (["unconfirmed", "rejected"], ["delivered", "rejected"]),
        (["unconfirmed", "unconfirmed"], ["unconfirmed", "unconfirmed"]),
    ],
)
def test_a_leg_that_was_given_up_counts_only_where_no_newer_one_does(store, legs, expected) -> None:
    first, *rest = world(store, legs=legs)
    take(store, [receipt(first, "delivered")])
    assert states(store, [first, *rest]) == expected


def test_of_two_legs_that_were_given_up_the_newer_one_counts(store) -> None:
    legs = world(store, legs=["unconfirmed", "unconfirmed"])
    take(store, [receipt(one, "delivered") for one in legs])
    assert states(store, legs) == ["unconfirmed", "delivered"]


_EVENTS = ["queued", "sent", "deferred", "delivered", "bounced", "complained", "opened", "other"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    before=st.lists(
        st.sampled_from(["accepted", "in_doubt", "delivered", "unconfirmed", "started", "deferred"]),
        min_size=1,
        max_size=2,
    ),
    said=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(_EVENTS), st.integers(0, 50)), max_size=7),
    random=st.randoms(use_true_random=False),
)
def test_order_and_repetition_change_nothing(store, before, said, random) -> None:
    legs = before if len(before) == 1 else ["unconfirmed", before[1]]
    ends = []
    for _ in range(3):
        messages = world(store, legs=legs)
        events = [
            receipt(messages[who % len(messages)], kind, f"{messages[0]}/{place}", after=after)
            for place, (who, kind, after) in enumerate(said)
        ]
        events = events + random.choices(events, k=3) if events else []
        random.shuffle(events)
        cut = random.randrange(len(events) + 1)
        for part in (events[:cut], events[cut:]):
            take(store, part)
        # The sender's own mark comes last.
        with store.durable("test") as connection:
            connection.execute(
                sa.update(sending.messages)
                .where(sending.messages.c.state == "started")
                .values(state="accepted", accepted_at=sending.messages.c.started_at)
            )
        again(store)
        rows = rows_of(store, sending.messages, sending.messages.c.id.in_(messages))
        ends.append([(row.state, row.accepted_at, row.finished_at, row.is_open) for row in rows])
    assert ends[0] == ends[1] == ends[2]


def test_a_repeated_event_is_stored_once_whoever_tells_it(store) -> None:
    (message,), (text,) = world(store), world(store, channel="texts")
    event = receipt(message, "delivered", "e1")
    assert take(store, [event, event]) == TakenIn(1, 0, 0, 1)
    assert take(store, [event]) == TakenIn(duplicates=1)
    # Another channel of the same provider numbers its events by itself.
    same = receipt(text, "delivered", "e1")
    assert take(store, [same], channel="texts") == TakenIn(applied=1)
    assert [row.provider for row in rows_of(store, sending.receipts)] == ["mailer/letters", "mailer/texts"]


def test_a_receipt_before_the_mark_waits_for_it(store) -> None:
    (message,) = world(store, state="started")
    assert take(store, [receipt(message, "delivered")]) == TakenIn(waiting=1)
    assert again(store) == TakenIn()
    assert states(store, [message]) == ["started"]
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.messages).values(state="accepted", provider_ref="r"))
    assert again(store) == TakenIn(applied=1)
    assert states(store, [message]) == ["delivered"]
    assert again(store) == TakenIn()


def test_a_doubt_settled_by_a_receipt_is_on_record_and_the_ledger_holds(store) -> None:
    messages = world(store, 3, state="in_doubt")
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(sending.attempts),
            [{"message_id": one, "number": 1, "ended_at": 1, "outcome": "in_doubt"} for one in messages],
        )
    take(store, [receipt(messages[0], "sent"), receipt(messages[1], "bounced", permanent=True)])
    assert states(store, messages) == ["accepted", "bounced", "in_doubt"]
    resolved = rows_of(store, sending.attempts, sending.attempts.c.outcome == "resolved_by_receipt")
    assert [row.message_id for row in resolved] == messages[:2]
    broken = {one.check for one in verify(store).broken}
    assert broken <= {"plan"}


def test_what_nobody_sent_waits_and_is_given_up_after_three_days(store, clock) -> None:
    (planned,) = world(store, state="planned")
    foreign = Receipt("e0", ReceiptKind.DELIVERED, reference=Referrer("other", "production", "x").of(planned))
    unknown = Receipt("e1", ReceiptKind.BOUNCED, provider_ref="nobody-knows", permanent=True)
    early = receipt(planned, "delivered", "e2")
    gone = receipt(planned, "delivered", "e3", reference=REFERRER.of(planned + 1000))
    assert take(store, [foreign, unknown, early, gone]) == TakenIn(waiting=3, ignored=1)
    assert states(store, [planned]) == ["planned"]
    clock.advance(timedelta(days=2))
    assert again(store, deep=True) == TakenIn()
    clock.advance(timedelta(days=1, seconds=1))
    assert again(store, deep=True) == TakenIn(ignored=3)
    assert {row.state for row in rows_of(store, sending.receipts)} == {"ignored"}


def test_references_of_providers_find_their_message(store) -> None:
    (first, second), (third,) = world(store, 2), world(store, channel="texts")
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(sending.provider_refs),
            [
                {"channel": "texts", "provider_ref": "p1", "message_id": third},
                {"channel": "texts", "provider_ref": "p2", "message_id": third},
            ],
        )
        # One call of an API took two messages and answered one reference for both.
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.id.in_([first, second]))
            .values(provider_ref="CALL7")
        )
    said = [
        Receipt("a", ReceiptKind.DELIVERED, provider_ref="CALL7.filter01.x", address="K1@Example.com"),
        Receipt("b", ReceiptKind.BOUNCED, provider_ref="CALL7.filter01.y"),
        Receipt("c", ReceiptKind.BOUNCED, provider_ref="p2"),
    ]
    assert take(store, said) == TakenIn(applied=1, waiting=2)
    assert take(store, said, channel="texts") == TakenIn(applied=1, waiting=2)
    assert states(store, [first, second, third]) == ["accepted", "delivered", "bounced"]


def test_a_number_in_a_bounce_counts_only_with_its_seal_and_the_right_recipient(store) -> None:
    message, other = world(store, 2)
    referrer = referrer_of(store, SALT)
    told = {"ledger_id": message, "seal": referrer.seal(message)}
    wrong = [
        Receipt("w", ReceiptKind.BOUNCED, address="k7@example.com", raw=told),
        Receipt("x", ReceiptKind.BOUNCED, address="k0@example.com", raw={"ledger_id": message}),
        Receipt("y", ReceiptKind.BOUNCED, address="k0@example.com", raw=told | {"seal": "0" * 16}),
        Receipt("z", ReceiptKind.BOUNCED, address="k0@example.com", raw=told | {"seal": "é\ud800"}),
        # Whoever got a message knows the seal of that one alone.
        Receipt(
            "q", ReceiptKind.BOUNCED, address="k0@example.com", raw=told | {"seal": referrer.seal(other)}
        ),
        Receipt("p", ReceiptKind.COMPLAINED, address="k1@example.com", raw=told | {"ledger_id": other}),
    ]
    right = Receipt(
        "r", ReceiptKind.BOUNCED, address="K0@example.com", raw=told | {"ledger_id": str(message)}
    )
    assert take(store, wrong) == TakenIn(waiting=len(wrong))
    assert take(store, [right]) == TakenIn(applied=1)
    assert states(store, [message, other]) == ["bounced", "accepted"]
    assert rows_of(store, people.suppressions) == []


def test_costs_are_kept_in_minor_units_and_exactly(store) -> None:
    (message,) = world(store)
    take(
        store,
        [
            receipt(message, "sent", "a", cost=Decimal("-0.0375"), currency="usd", units=3),
            receipt(message, "sent", "b", cost=Decimal("12"), currency="JPY"),
        ],
    )
    first, second = rows_of(store, sending.receipts)
    assert (first.cost, first.currency, first.units, first.raw["cost"]) == (4, "USD", 3, "-0.0375")
    assert (second.cost, second.currency, second.units) == (12, "JPY", None)


def test_whatever_a_provider_sends_fits_into_the_store(store) -> None:
    (message,) = world(store)
    odd = Receipt(
        "x\x00" * 5000,
        ReceiptKind.OTHER,
        reference=REFERRER.of(message),
        address="no address \x00",
        detail="\x00" * 9 + "d" * 9000,
        url="https://x.example/" + "y" * 9000,
        raw={"a": "\x00", "b": "z" * 100_000, "c": {1, 2}},
    )
    assert take(store, [odd]) == TakenIn(applied=1)
    assert take(store, [odd]) == TakenIn(duplicates=1)


def test_many_receipts_come_in_paced_pieces_and_hold_nobody_up(make_store) -> None:
    store = make_store("sqlite")
    messages = world(store, 1_500)
    events = [receipt(one, kind) for one in messages for kind in ("sent", "delivered")]
    assert take(store, events) == TakenIn(applied=3_000)
    assert set(states(store, messages)) == {"delivered"}
    (use,) = [use for use in store.lock_report() if use.purpose == "receipts"]
    assert use.longest_busy_ms < 200


def test_a_kill_between_two_pieces_is_made_good_by_telling_again(make_store, monkeypatch) -> None:
    store = make_store("sqlite")
    messages = world(store, 1_200)
    events = [receipt(one, "delivered") for one in messages]
    from tidings.delivery import receipts

    real, calls = receipts.merge, []

    def dies(*args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(receipts, "merge", dies)
    with pytest.raises(KeyboardInterrupt):
        take(store, events)
    assert sorted(set(states(store, messages))) == ["accepted", "delivered"]
    monkeypatch.setattr(receipts, "merge", real)
    done = take(store, events)
    assert done.applied + done.duplicates == 1_200
    assert set(states(store, messages)) == {"delivered"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "-1",
        "ffffff-",
        "{tag}-0",
        "{tag}-01",
        "{tag}-1 ",
        "{tag}-n1",
        "{tag}-" + "9" * 19,
        "{tag}-١",
    ],
)
def test_only_our_own_references_name_a_message(text) -> None:
    tag = REFERRER.of(1).partition("-")[0]
    assert REFERRER.message_of(text.replace("{tag}", tag)) is None


def test_a_reference_is_of_one_store_alone() -> None:
    assert REFERRER.message_of(REFERRER.of(42)) == 42
    others = [
        Referrer("test", "production", SALT),
        Referrer("test", "development", "other"),
        Referrer("tes", "tdevelopment", SALT),
    ]
    assert [one.message_of(REFERRER.of(42)) for one in others] == [None] * 3
