"""Channels that take several messages at once: what goes together, what is taken out, what a failure costs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from support.ledger_channel import Answer, Letter, render
from support.ledger_world import address_of, attempt_rows, message_rows, seed, states
from tidings.channels.protocol import Capabilities
from tidings.clock import FixedClock, to_micros
from tidings.customers.consent import ConsentRow, record
from tidings.delivery.pause import pause
from tidings.delivery.verify import verify
from tidings.delivery.work import Delivered, Refusal, Retry
from tidings.store.database import Store
from tidings.store.tables import sending


@dataclass
class Calls:
    """A provider that takes `window` messages a call; `answer(batch)` may raise."""

    window: int = 10
    connections: int = 2
    answer: Callable[[Sequence[Letter]], list[Answer]] = lambda batch: [Answer("accepted") for _ in batch]
    by_provider_ref: bool = False
    sizes: list[int] = field(default_factory=list)
    given: Counter[str] = field(default_factory=Counter)
    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            "email",
            window=self.window,
            connections=self.connections,
            by_provider_ref=self.by_provider_ref,
        )

    def connect(self) -> Calls:
        return self

    def submit(self, letter: Letter) -> Answer:
        raise AssertionError("one by one is not how this channel is used")

    def submit_many(self, batch: Sequence[Letter]) -> list[Answer]:
        with self.guard:
            self.sizes.append(len(batch))
            self.given.update(one.recipient for one in batch)
        return self.answer(batch)

    def close(self) -> None:
        pass


def test_a_hand_over_takes_as_many_as_the_window_and_each_outcome_finds_its_message(
    store: Store, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 45)

    def odd_ones_do_not_exist(batch: Sequence[Letter]) -> list[Answer]:
        return [
            Answer("rejected", "recipient", "no")
            if int(one.recipient.partition("@")[0]) % 2
            else Answer("accepted", provider_ref=f"ref-{one.recipient}")
            for one in batch
        ]

    channel = Calls(answer=odd_ones_do_not_exist)
    done = send(world, channel, batch=500)
    assert (done.accepted, done.rejected, done.state) == (22, 23, "finished")
    assert sorted(channel.sizes) == [5, 10, 10, 10, 10]
    assert {row.provider_ref for row in message_rows(store, world.run_id) if row.state == "accepted"} == {
        f"ref-{address_of(one)}" for one in range(2, 45, 2)
    }
    assert verify(store).broken == ()


def test_a_window_is_marked_started_together_before_it_is_handed_over(
    store: Store, send: Callable[..., Delivered]
) -> None:
    world, seen = seed(store, 30), []

    def look(batch: Sequence[Letter]) -> list[Answer]:
        seen.append(Counter(states(store, world.run_id).values())["started"])
        return [Answer("accepted") for _ in batch]

    send(world, Calls(connections=1, answer=look), batch=500)
    assert seen == [10, 10, 10]


def test_a_message_that_cannot_be_made_or_may_no_longer_go_is_taken_out_of_its_batch_alone(
    store: Store, clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 20)

    def one_cannot(message: object) -> object:
        return Refusal("render_error", "no name") if message.customer_id == 3 else render(message)

    def withdraw(batch: Sequence[Letter]) -> list[Answer]:
        now = to_micros(clock.now())
        if len(channel.sizes) == 1:
            with store.durable("test") as connection:
                record(
                    connection,
                    [ConsentRow(15, "email", "marketing", "withdrawn", "", "link", now, now)],
                )
        return [Answer("accepted") for _ in batch]

    channel = Calls(connections=1, answer=withdraw)
    done = send(world, channel, batch=500, render=one_cannot)
    assert (done.accepted, done.refused, done.state) == (18, 2, "finished")
    refused = {row.customer_id: row.refusal_code for row in message_rows(store, world.run_id)}
    assert (refused[3], refused[15]) == ("render_error", "unsubscribed_list")
    assert not {address_of(3), address_of(15)} & set(channel.given)
    assert channel.sizes == [10, 8]


def test_a_call_that_raises_puts_its_whole_batch_in_doubt_and_nothing_else(
    store: Store, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 40)

    def breaks_once(batch: Sequence[Letter]) -> list[Answer]:
        if len(channel.sizes) == 2:
            raise TimeoutError("no answer")
        return [Answer("accepted") for _ in batch]

    channel = Calls(connections=1, answer=breaks_once)
    done = send(world, channel, batch=500)
    assert (done.accepted, done.in_doubt, done.state) == (30, 10, "finished")
    assert {row.detail for row in attempt_rows(store)} == {"TimeoutError: no answer"}
    assert len(attempt_rows(store)) == 10
    assert set(channel.given.values()) == {1}


def test_a_wrong_number_of_outcomes_is_a_doubt_about_all_of_them(
    store: Store, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 10)
    done = send(world, Calls(answer=lambda _batch: [Answer("accepted")]), batch=500)
    assert (done.accepted, done.in_doubt) == (0, 10)


def test_a_provider_that_never_answers_costs_few_windows(
    store: Store, send: Callable[..., Delivered]
) -> None:
    def hang(batch: Sequence[Letter]) -> list[Answer]:
        raise TimeoutError("no answer")

    done = send(seed(store, 400), Calls(answer=hang), batch=500)
    assert done.paused
    assert done.in_doubt <= 10 * (3 + 1)
    assert done.in_doubt + done.pending == 400


def test_the_rate_counts_messages_and_not_calls(
    make_store: Callable[..., Store], clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    from tidings.delivery.sender import deliver

    store = make_store("sqlite")
    channel = Calls(window=100)
    begun = time.monotonic()
    done = deliver(
        store, seed(store, 45).job, adapter=channel, render=render, clock=clock, rate_per_second=20
    )
    took = time.monotonic() - begun
    assert done.accepted == 45
    # At most a second's worth at once, and the rest in its turn: 20, 20 a second later, 5 two seconds later.
    assert max(channel.sizes) <= 20
    assert took >= 1.9


def test_a_throttled_channel_slows_down_and_a_message_keeps_all_its_attempts(
    store: Store, clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 1, retry=Retry(first_seconds=1, attempts=2))
    throttling = [Answer("throttled", None, "429", retry_after=0.3)]
    for _ in range(3):
        assert send(world, Calls(answer=lambda _batch: throttling), batch=500).deferred == 1
        clock.sleep(2)
    assert message_rows(store, world.run_id)[0].attempt == 0
    assert verify(store).broken == ()
    late = [Answer("transient", "recipient", "later")]
    assert send(world, Calls(answer=lambda _batch: late), batch=500).deferred == 1
    clock.sleep(5)
    done = send(world, Calls(answer=lambda _batch: late), batch=500)
    assert (done.rejected, done.state) == (1, "finished")
    assert [row.outcome for row in attempt_rows(store)] == [
        *["throttled"] * 3,
        "transient",
        "transient_exhausted",
    ]


def test_after_throttled_nothing_is_handed_over_for_as_long_as_was_asked(
    make_store: Callable[..., Store], clock: FixedClock
) -> None:
    from tidings.delivery.sender import deliver

    store, times = make_store("sqlite"), []

    def slow_down_once(batch: Sequence[Letter]) -> list[Answer]:
        times.append(time.monotonic())
        if len(times) == 1:
            return [Answer("throttled", None, "429", retry_after=0.5) for _ in batch]
        return [Answer("accepted") for _ in batch]

    channel = Calls(connections=1, answer=slow_down_once)
    deliver(store, seed(store, 20).job, adapter=channel, render=render, clock=clock)
    assert len(times) == 2
    assert times[1] - times[0] >= 0.5


def test_a_pause_gives_a_marked_batch_back_or_lets_it_end_but_never_half(
    store: Store, clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 60)

    def stop_everything(batch: Sequence[Letter]) -> list[Answer]:
        if len(channel.sizes) == 2:
            pause(store, "spring", reason="a wrong price", actor="ann", now=clock.now())
        return [Answer("accepted") for _ in batch]

    channel = Calls(connections=1, answer=stop_everything)
    done = send(world, channel, batch=500)
    assert done.paused
    assert (done.accepted, done.pending) == (20, 40)
    assert Counter(states(store, world.run_id).values()) == {"accepted": 20, "planned": 40}


@pytest.mark.parametrize("keeps", [False, True])
def test_the_names_of_a_provider_are_kept_where_receipts_need_them(
    store: Store, send: Callable[..., Delivered], keeps: bool
) -> None:
    world = seed(store, 12)

    def two_parts(batch: Sequence[Letter]) -> list[Answer]:
        # The centre counts from zero again: the same name twice must not stop anybody.
        return [
            Answer("accepted", provider_ref=f"same,{one.message_id}-1,{one.message_id}-2") for one in batch
        ]

    send(world, Calls(answer=two_parts, by_provider_ref=keeps), batch=500)
    with store.read() as connection:
        rows = connection.execute(sa.select(sending.provider_refs)).all()
    ids = {row.id for row in message_rows(store, world.run_id)}
    parts = {("email", f"{one}-{part}", one) for one in ids for part in (1, 2)}
    assert {tuple(row) for row in rows if row.provider_ref != "same"} == (parts if keeps else set())
    assert len([row for row in rows if row.provider_ref == "same"]) == int(keeps)
