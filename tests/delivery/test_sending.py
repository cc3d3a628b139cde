"""Sending a run: every outcome ends where the ledger says it does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from support.ledger_channel import Answer, Channel, Letter, render
from support.ledger_world import address_of, attempt_rows, message_rows, seed, states
from tidings.clock import FixedClock, to_micros
from tidings.customers.consent import ConsentRow, record
from tidings.customers.suppression import suppress
from tidings.definitions.kinds.rules import Purpose
from tidings.delivery.pause import resume_channel
from tidings.delivery.verify import verify
from tidings.delivery.work import Delivered, Refusal, Retry
from tidings.store.database import Store
from tidings.store.tables import people, sending


def test_everybody_gets_one_message_and_the_run_is_finished(
    store: Store, send: Callable[..., Delivered]
) -> None:
    world, channel = seed(store, 75, holdout=5), Channel()
    told: list[tuple[int, int]] = []
    done = send(world, channel, progress=lambda settled, total: told.append((settled, total)))
    assert done == Delivered(world.run_id, "finished", accepted=75, sent_now=75)
    assert channel.given == {address_of(one): 1 for one in range(1, 76)}
    assert told[-1] == (75, 75)
    rows = message_rows(store, world.run_id)
    assert all(
        row.accepted_at and row.started_at and row.attempt == 1 and row.provider_ref == "ok" for row in rows
    )
    with store.read() as connection:
        assert set(connection.execute(sa.select(sending.claims.c.state)).scalars()) == {"done"}
    assert attempt_rows(store) == []


def test_a_second_call_sends_nothing(store: Store, send: Callable[..., Delivered]) -> None:
    world, channel = seed(store, 10), Channel()
    send(world, channel)
    again = send(world, channel)
    assert again.state == "finished"
    assert again.sent_now == 0
    assert channel.given.total() == 10


def test_connections_are_used_at_the_same_time_and_closed(
    store: Store, send: Callable[..., Delivered]
) -> None:
    together = threading.Barrier(3, timeout=10)
    channel = Channel(before=lambda _letter: together.wait())
    send(seed(store, 9), channel)
    assert channel.most_open == 3
    assert channel.open == 0


def test_the_gate_is_asked_inside_the_claim(
    store: Store, clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    world, channel = seed(store, 6), Channel()
    now = to_micros(clock.now())
    with store.durable("test") as connection:
        record(connection, [ConsentRow(1, "email", "marketing", "withdrawn", "", "link", now, now)])
        record(connection, [ConsentRow(2, "email", "all", "withdrawn", "", "link", now, now)])
        hashed = connection.execute(
            sa.select(people.customers.c.email_hash).where(people.customers.c.id == 3)
        ).scalar_one()
        suppress(connection, "email", hashed, "complaint", "test", now)
        connection.execute(sa.update(people.customers).where(people.customers.c.id == 4).values(email=None))
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.customer_id.in_([1, 5]))
            .values(expires_at=now)
        )
    done = send(world, channel)
    assert (done.refused, done.accepted, done.state) == (5, 1, "finished")
    rows = {row.customer_id: row for row in message_rows(store, world.run_id)}
    assert {one: row.refusal_code for one, row in rows.items()} == {
        1: "expired",
        2: "unsubscribed_all",
        3: "suppressed_complaint",
        4: "no_address",
        5: "expired",
        6: None,
    }
    assert rows[2].refusal_rule == "consent/email/marketing"
    assert rows[2].policy_hash == "p" * 64
    assert rows[2].finished_at == now
    assert rows[2].attempt == 0


def test_an_unsubscribe_after_the_claim_still_holds_the_message_back(
    store: Store, clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 12)
    first = threading.Event()

    def unsubscribe_others(letter: Letter) -> None:
        if first.is_set():
            return
        first.set()
        now = to_micros(clock.now())
        with store.durable("test") as connection:
            record(
                connection,
                [
                    ConsentRow(one, "email", "marketing", "withdrawn", "", "link", now, now)
                    for one in range(1, 13)
                ],
            )

    channel = Channel(before=unsubscribe_others)
    done = send(world, channel, connections=1)
    # All twelve were claimed together; only the one in flight when the withdrawal was committed went out.
    assert (done.accepted, done.refused) == (1, 11)
    assert {row.refusal_code for row in message_rows(store, world.run_id)} == {None, "unsubscribed_list"}


def test_a_message_goes_to_the_address_of_now(store: Store, send: Callable[..., Delivered]) -> None:
    world, channel = seed(store, 1), Channel()
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(email="new@shop.example"))
    send(world, channel)
    assert list(channel.given) == ["new@shop.example"]


def test_a_temporary_answer_is_tried_again_later(
    store: Store, clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 4, retry=Retry(first_seconds=60, factor=2, attempts=5))

    def greylist(letter: Letter, copies: int) -> Answer:
        late = letter.recipient == address_of(1) and copies < 3
        return Answer("transient", "recipient", "451 4.7.1 try later") if late else Answer("accepted")

    channel = Channel(greylist)
    done = send(world, channel)
    assert (done.accepted, done.deferred, done.state) == (3, 1, "sending")
    assert done.next_due == to_micros(clock.now() + timedelta(seconds=60))
    assert send(world, channel).deferred == 1
    assert channel.given[address_of(1)] == 1
    done = send(world, channel, wait_seconds=600)
    assert (done.accepted, done.state) == (4, "finished")
    assert channel.given[address_of(1)] == 3
    assert [(row.outcome, row.number, row.detail) for row in attempt_rows(store)] == [
        ("transient", 1, "451 4.7.1 try later"),
        ("transient", 2, "451 4.7.1 try later"),
    ]
    assert message_rows(store, world.run_id)[0].attempt == 3


def test_after_the_last_attempt_a_temporary_answer_is_a_rejection(
    store: Store, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 1, retry=Retry(first_seconds=1, attempts=2))
    channel = Channel(lambda _letter, _copies: Answer("transient", "recipient", "450 busy"))
    done = send(world, channel, wait_seconds=60)
    assert (done.rejected, done.state) == (1, "finished")
    assert [row.outcome for row in attempt_rows(store)] == ["transient", "transient_exhausted"]
    assert "gave up after 2 attempts" in attempt_rows(store)[1].detail


def test_a_refused_recipient_does_not_stop_the_others_and_is_suppressed_when_the_mailbox_does_not_exist(
    store: Store, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 30)
    answers = {
        address_of(7): Answer("rejected", "recipient", "550 5.1.1 no such user"),
        address_of(8): Answer("rejected", "recipient", "550 5.7.1 not today"),
    }
    done = send(world, Channel(lambda letter, _copies: answers.get(letter.recipient, Answer("accepted"))))
    assert (done.accepted, done.rejected, done.state) == (28, 2, "finished")
    with store.read() as connection:
        rows = connection.execute(sa.select(people.suppressions)).all()
        hashed = connection.execute(
            sa.select(people.customers.c.email_hash).where(people.customers.c.id == 7)
        ).scalar_one()
    assert [(row.address_hash, row.reason, row.source) for row in rows] == [
        (hashed, "bounce", "channel/email")
    ]


def test_a_broken_row_is_refused_by_name_and_the_others_go_out(
    store: Store, send: Callable[..., Delivered]
) -> None:
    world, channel = seed(store, 20), Channel()

    def fragile(message: object) -> object:
        if message.customer_id == 3:
            raise ValueError("no first name")
        if message.customer_id == 4:
            return Refusal("render_error", "headline: is unknown")
        return render(message)

    done = send(world, channel, render=fragile)
    assert (done.accepted, done.refused, done.state) == (18, 2, "finished")
    rows = {row.customer_id: row for row in message_rows(store, world.run_id)}
    assert {rows[3].refusal_code, rows[4].refusal_code} == {"render_error"}
    assert sorted(row.detail for row in attempt_rows(store)) == [
        "ValueError: no first name",
        "headline: is unknown",
    ]


def test_a_template_that_fails_for_everybody_pauses_the_run_early(
    store: Store, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 400)
    done = send(world, Channel(), render=lambda _message: Refusal("render_error", "offer: is unknown"))
    assert done.paused
    assert "could not be made" in done.reason
    assert done.refused < 60
    assert done.pending == 400 - done.refused


def test_a_wrong_password_pauses_the_channel_and_keeps_everybody(
    store: Store, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 50)
    done = send(
        world, Channel(lambda _letter, _copies: Answer("rejected", "config", "535 5.7.8 bad password"))
    )
    assert done.reason == "the channel email refuses to send: 535 5.7.8 bad password"
    assert done.pending == 50
    assert set(states(store, world.run_id).values()) == {"planned"}
    with store.read() as connection:
        assert connection.execute(sa.select(sending.runs.c.state)).scalar_one() == "sending"
        pause = connection.execute(sa.select(sending.channel_pauses)).one()
        assert (pause.channel, pause.reason) == ("email", "it refuses to send: 535 5.7.8 bad password")
        assert (
            connection.execute(
                sa.select(sa.func.count())
                .select_from(sending.messages)
                .where(sending.messages.c.claim_id.is_not(None))
            ).scalar_one()
            == 0
        )


def test_a_server_that_is_down_pauses_the_run_with_one_sentence(
    store: Store, send: Callable[..., Delivered]
) -> None:
    world, channel = seed(store, 50), Channel(refuse_connections=1000)
    done = send(world, channel)
    assert done.paused
    assert done.reason == "the channel email cannot be used: ConnectionRefusedError: connection refused"
    assert done.pending == 50
    assert channel.given.total() == 0


def test_a_server_that_is_away_for_a_moment_is_tried_again(
    store: Store, send: Callable[..., Delivered]
) -> None:
    world, channel = seed(store, 5), Channel(refuse_connections=1)
    assert send(world, channel, connections=1).accepted == 5


def test_a_server_that_never_answers_after_the_message_costs_few_doubts(
    store: Store, send: Callable[..., Delivered]
) -> None:
    def hang(letter: Letter, copies: int) -> Answer:
        raise TimeoutError("no answer after the message")

    world = seed(store, 200)
    done = send(world, Channel(hang))
    assert done.paused
    assert 3 <= done.in_doubt <= 6
    assert done.in_doubt + done.pending == 200


def test_a_throttled_message_waits_as_long_as_the_server_asked(
    store: Store, clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 1, retry=Retry(first_seconds=1, attempts=1))
    done = send(
        world, Channel(lambda _letter, _copies: Answer("throttled", None, "421 slow", retry_after=0.2))
    )
    assert done.deferred == 1
    done = send(world, Channel(), wait_seconds=30)
    assert done.accepted == 1


@pytest.mark.parametrize(
    ("policy", "state", "copies"),
    [("hold", "in_doubt", 1), ("resend", "accepted", 2), ("treat as sent", "accepted", 1)],
)
def test_the_purpose_decides_about_a_doubt(
    store: Store, send: Callable[..., Delivered], policy: str, state: str, copies: int
) -> None:
    world = seed(store, 3, purpose=Purpose("marketing", "marketing", in_doubt=policy))

    def lost_once(letter: Letter, given: int) -> Answer:
        return Answer("in_doubt", detail="connection lost") if given == 1 else Answer("accepted")

    channel = Channel(
        lambda letter, given: lost_once(letter, given) if "2@" in letter.recipient else Answer("accepted")
    )
    send(world, channel, wait_seconds=600)
    assert states(store, world.run_id) == {1: "accepted", 2: state, 3: "accepted"}
    assert channel.given[address_of(2)] == copies
    assert attempt_rows(store)[0].outcome == "in_doubt"


def test_a_doubt_that_comes_again_each_time_is_resent_as_often_as_any_retry_and_no_longer_than_it_may_live(
    store: Store, clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    purpose = Purpose("marketing", "marketing", in_doubt="resend")
    world = seed(store, 12, purpose=purpose, retry=Retry(first_seconds=60, factor=2, attempts=3))
    expires = message_rows(store, world.run_id)[0].expires_at
    channel = Channel(
        lambda letter, _copies: (
            Answer("in_doubt", detail="no answer after the text")
            if letter.recipient == address_of(7)
            else Answer("accepted")
        )
    )
    assert send(world, channel).next_due == to_micros(clock.now() + timedelta(seconds=60))
    assert channel.given[address_of(7)] == 1
    done = send(world, channel, wait_seconds=36_000)
    assert (done.state, done.accepted, done.in_doubt) == ("finished", 11, 1)
    assert channel.given[address_of(7)] == 3
    assert {row.expires_at for row in message_rows(store, world.run_id)} == {expires}


def test_a_doubt_is_not_resent_when_it_would_expire_before(
    store: Store, send: Callable[..., Delivered]
) -> None:
    purpose = Purpose("marketing", "marketing", in_doubt="resend")
    world = seed(store, 1, purpose=purpose, retry=Retry(first_seconds=25 * 3600, longest_seconds=25 * 3600))
    done = send(world, Channel(lambda _letter, _copies: Answer("in_doubt")), wait_seconds=1e6)
    # It may have arrived: to call it refused would be wrong.
    assert (done.state, done.in_doubt) == ("finished", 1)


def test_a_hand_over_that_the_channel_could_not_begin_is_no_attempt(
    store: Store, clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 1, retry=Retry(attempts=2))
    for _ in range(3):
        refused = Channel(lambda _letter, _copies: Answer("rejected", "config", "530 login"))
        assert "530 login" in send(world, refused).reason
        resume_channel(store, "email", actor="ann", now=clock.now())
    assert message_rows(store, world.run_id)[0].attempt == 0
    greylisting = Channel(lambda _letter, _copies: Answer("transient", "recipient", "451 later"))
    assert send(world, greylisting).deferred == 1
    assert verify(store).broken == ()
