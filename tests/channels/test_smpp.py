"""SMS over SMPP 3.4 against the SMS centre of npm, one that misbehaves, and the library's own server."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from support.smpp_centre import Centre, adapter, npm_centre, raw_centre
from tidings.channels.protocol import ChannelUnavailable, Inbound, Kind, Outgoing, Receipt, ReceiptKind, Scope
from tidings.channels.smpp import SmppAdapter

pytestmark = pytest.mark.real


def sms(
    number: int, text: str = "Hello", to: str = "+46701112233", *, segments: tuple[str, ...] = ()
) -> Outgoing:
    return Outgoing(number, "NordicGardn", to, text.encode(), segments=segments)


def events_of(sender: SmppAdapter, count: int, seconds: float = 5.0) -> list[Any]:
    end = time.monotonic() + seconds
    events: list[Any] = []
    while time.monotonic() < end and len(events) < count:
        events += sender.take_events()
        time.sleep(0.02)
    assert len(events) == count, f"{count} events in {seconds} s, got {events}"
    return events


@pytest.fixture
def centre() -> Any:
    with npm_centre() as running:
        yield running


def test_a_message_is_taken_under_the_id_of_the_centre_and_its_receipt_names_it(centre: Centre) -> None:
    sender = adapter(centre.port)
    connection = sender.connect()
    outcome = connection.submit(sms(1, "Grüße, 25% €"))
    assert outcome.kind == Kind.ACCEPTED
    (taken,) = centre.submitted(1)
    assert (taken["text"], taken["to"], taken["from"], taken["source_ton"]) == (
        "Grüße, 25% €",
        "46701112233",
        "NordicGardn",
        5,
    )
    assert taken["coding"] == 0 and taken["id"] == outcome.provider_ref
    (receipt,) = events_of(sender, 1)
    assert isinstance(receipt, Receipt)
    assert (receipt.kind, receipt.provider_ref, receipt.address) == (
        ReceiptKind.DELIVERED,
        outcome.provider_ref,
        "+46701112233",
    )
    assert receipt.at == datetime(2027, 3, 2, 9, 1, 30, tzinfo=UTC)
    connection.close()


def test_a_receipt_is_acknowledged_only_when_it_is_stored(centre: Centre) -> None:
    sender = adapter(centre.port)
    connection = sender.connect()
    connection.submit(sms(1))
    events_of(sender, 1)
    centre.settle()
    assert not [one for one in centre.events if one["event"] == "acknowledged"]
    assert sender.take_events() == [], "what was given is not given again"
    sender.events_stored(1)
    centre.until(lambda one: one["event"] == "acknowledged")
    assert sender.take_events() == []
    connection.close()


def test_other_alphabets_go_as_sixteen_bit_text(centre: Centre) -> None:
    sender = adapter(centre.port)
    connection = sender.connect()
    for number, text in enumerate(("七五折，到 16 日", "Скидка 25% до 16-го 🌱"), 1):
        assert connection.submit(sms(number, text)).kind == Kind.ACCEPTED
    assert [(one["text"], one["coding"]) for one in centre.submitted(2)] == [
        ("七五折，到 16 日", 8),
        ("Скидка 25% до 16-го 🌱", 8),
    ]
    connection.close()


def test_a_long_message_goes_as_parts_under_one_reference_and_arrives_whole(centre: Centre) -> None:
    parts = ("a" * 151 + "[", "b" * 153, "the end")
    sender = adapter(centre.port)
    connection = sender.connect()
    outcome = connection.submit(sms(1, "".join(parts), segments=parts))
    taken = centre.submitted(3)
    assert [one["text"] for one in taken] == list(parts)
    headers = [one["udh"][0] for one in taken]
    assert [header[-4:] for header in headers] == ["0301", "0302", "0303"]
    assert len({header[:-4] for header in headers}) == 1
    assert outcome.provider_ref == ",".join(one["id"] for one in taken)
    connection.close()


@pytest.mark.parametrize(
    ("ending", "kind", "scope"),
    [
        ("58", Kind.THROTTLED, None),
        ("14", Kind.THROTTLED, None),
        ("11", Kind.REJECTED, Scope.RECIPIENT),
        ("08", Kind.TRANSIENT, None),
        ("10", Kind.REJECTED, Scope.CONFIG),
        ("01", Kind.REJECTED, Scope.CONTENT),
    ],
)
def test_each_status_of_the_centre_has_its_outcome(
    centre: Centre, ending: str, kind: Kind, scope: Scope | None
) -> None:
    connection = adapter(centre.port).connect()
    outcome = connection.submit(sms(1, to=f"+467011122{ending}"))
    assert (outcome.kind, outcome.scope) == (kind, scope)
    assert "46701" not in outcome.detail
    assert (outcome.retry_after is not None) == (kind == Kind.THROTTLED)
    connection.close()


def test_many_go_in_one_window_and_each_has_its_own_outcome(centre: Centre) -> None:
    sender = adapter(centre.port, window=5)
    connection = sender.connect()
    batch = [
        sms(number, to=f"+4670111{number:02d}{'11' if number % 7 == 0 else '99'}") for number in range(40)
    ]
    outcomes = connection.submit_many(batch)
    assert [one.kind for one in outcomes] == [
        Kind.REJECTED if number % 7 == 0 else Kind.ACCEPTED for number in range(40)
    ]
    taken = {one["to"]: one.get("id") for one in centre.submitted(40)}
    for message, outcome in zip(batch, outcomes, strict=True):
        assert outcome.provider_ref == taken[message.recipient.lstrip("+")]
    connection.close()


def test_a_part_that_is_throttled_is_sent_again_so_that_the_message_is_whole(centre: Centre) -> None:
    parts = tuple(f"part {number} " + "x" * 140 for number in range(3))
    connection = adapter(centre.port, window=1).connect()
    first = connection.submit(sms(1))
    assert first.kind == Kind.ACCEPTED
    centre.submitted(1)

    def throttle_the_second() -> None:
        centre.submitted(2)
        centre.tell(do="throttle", times=1)

    watcher = threading.Thread(target=throttle_the_second)
    watcher.start()
    outcome = connection.submit(sms(2, "".join(parts), segments=parts))
    watcher.join()
    assert outcome.kind == Kind.ACCEPTED
    centre.settle()
    arrived = [one["text"] for one in centre.submitted(4) if not one["status"]][1:]
    assert arrived == list(parts)
    connection.close()


def test_what_a_person_writes_comes_in_with_its_number(centre: Centre) -> None:
    sender = adapter(centre.port)
    assert sender.take_events() == []  # binds a session that listens
    centre.until(lambda one: one["event"] == "bound")
    centre.tell(do="write", **{"from": "46701112233", "to": "72345", "text": "退订"})
    (inbound,) = events_of(sender, 1)
    assert isinstance(inbound, Inbound)
    assert (inbound.sender, inbound.recipient, inbound.text) == ("+46701112233", "72345", "退订")
    sender.events_stored(1)
    sender.close()


def test_after_the_centre_drops_the_session_the_next_message_binds_again(centre: Centre) -> None:
    connection = adapter(centre.port).connect()
    assert connection.submit(sms(1)).kind == Kind.ACCEPTED
    centre.tell(do="drop")
    time.sleep(0.3)
    assert connection.submit(sms(2)).kind == Kind.ACCEPTED
    assert [one["event"] for one in centre.events if one["event"] == "bound"] == [
        "bound"
    ] * 2 or centre.submitted(2)
    connection.close()


def test_silence_is_asked_about_with_enquire_link(centre: Centre) -> None:
    connection = adapter(centre.port, enquire_link=0.3).connect()
    centre.until(lambda one: one["event"] == "enquired")
    assert connection.submit(sms(1)).kind == Kind.ACCEPTED
    connection.close()


def test_a_wrong_password_is_one_sentence_that_says_where_to_look(centre: Centre) -> None:
    with pytest.raises(ChannelUnavailable, match="password is wrong") as caught:
        adapter(centre.port, password="wrong").connect()
    assert "system_id" in caught.value.what_to_do
    assert "secret" not in str(caught.value) and "wrong, " not in str(caught.value)


@pytest.mark.parametrize(
    ("manner", "kind"),
    [
        ("cut at submit", Kind.IN_DOUBT),
        ("silent at submit", Kind.IN_DOUBT),
        ("garbage", Kind.IN_DOUBT),
        ("nack", Kind.REJECTED),
    ],
)
def test_a_message_without_an_answer_is_in_doubt(manner: str, kind: Kind) -> None:
    with raw_centre(manner) as centre:
        connection = adapter(centre.port, timeout=0.5).connect()
        outcome = connection.submit(sms(1))
        assert outcome.kind == kind and outcome.detail
        assert len(centre.taken) == 1
        connection.close()


def test_a_session_lost_before_the_message_was_written_costs_nothing() -> None:
    with raw_centre("cut before submit") as centre:
        connection = adapter(centre.port, timeout=0.5).connect()
        centre.close()
        time.sleep(0.3)
        outcome = connection.submit(sms(1))
        assert outcome.kind == Kind.TRANSIENT and "cannot be reached" in outcome.detail
        assert centre.taken == []
        connection.close()


def test_a_session_that_breaks_at_every_bind_takes_nothing_for_granted() -> None:
    with raw_centre("cut before submit") as centre:
        connection = adapter(centre.port, timeout=0.5).connect()
        time.sleep(0.2)
        # Whether the unit was on its way when the line broke nobody can know.
        assert connection.submit(sms(1)).kind in (Kind.TRANSIENT, Kind.IN_DOUBT)
        connection.close()


def test_a_centre_that_says_nothing_or_is_not_there_is_one_sentence() -> None:
    with raw_centre("silent at bind") as centre, pytest.raises(ChannelUnavailable, match="no answer within"):
        adapter(centre.port, timeout=0.5).connect()
    with pytest.raises(ChannelUnavailable, match="cannot be reached"):
        adapter(centre.port, timeout=0.5).connect()


def test_a_dead_session_is_noticed_by_its_silence() -> None:
    with raw_centre("silent to enquire") as centre:
        connection = adapter(centre.port, timeout=0.5, enquire_link=0.2).connect()
        time.sleep(2.0)
        assert centre.enquired >= 1
        assert not connection._session.alive and "silent" in connection._session.ended
        connection.close()


@pytest.mark.parametrize(
    "number", ["+4670\r\n", "12;34567", "", "+46 70 11", "٤٥٦٧٨٩", "+4670111223300000000"]
)
def test_a_number_that_cannot_be_dialled_is_refused_for_the_recipient(number: str) -> None:
    with raw_centre("accepts") as centre:
        connection = adapter(centre.port).connect()
        outcome = connection.submit(sms(1, to=number))
        assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.RECIPIENT)
        assert centre.taken == []
        connection.close()


def test_a_message_of_too_many_parts_is_refused_for_its_content() -> None:
    with raw_centre("accepts") as centre:
        connection = adapter(centre.port, max_segments=2).connect()
        outcome = connection.submit(sms(1, "abc", segments=("a", "b", "c")))
        assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.CONTENT)
        assert centre.taken == []
        connection.close()


def test_a_silent_centre_costs_one_timeout_and_nothing_more_is_written() -> None:
    with raw_centre("silent at submit") as centre:
        connection = adapter(centre.port, timeout=1.0, window=4).connect()
        began = time.monotonic()
        outcomes = connection.submit_many([sms(number) for number in range(12)])
        # Three windows would cost three of them.
        assert time.monotonic() - began < 2.9
        assert [one.kind for one in outcomes] == [Kind.IN_DOUBT] * 4 + [Kind.TRANSIENT] * 8
        assert len(centre.taken) == 4
        connection.close()


@pytest.mark.parametrize("text", ["x" * 161, "я" * 71, "€" * 81])
def test_a_text_that_nobody_cut_is_refused_and_not_sent_broken(text: str) -> None:
    with raw_centre("accepts") as centre:
        connection = adapter(centre.port).connect()
        outcome = connection.submit(sms(1, text))
        assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.CONTENT)
        assert centre.taken == []
        connection.close()


def test_the_server_of_another_library_takes_our_units() -> None:
    import smpp34

    async def serve(ready: threading.Event, port: list[int], taken: list[Any]) -> None:
        import socket

        with socket.create_server(("127.0.0.1", 0)) as probe:
            port.append(probe.getsockname()[1])
        server = smpp34.Server("127.0.0.1", port[0], system_id="other")
        await server.start()
        ready.set()
        while len(taken) < 3:
            event = await server.next()
            if isinstance(event, smpp34.SubmitSmEvent):
                taken.append(event)
                event.accept(f"x{len(event.short_message)}")
        await asyncio.sleep(0.5)
        await server.stop()

    ready, port, taken = threading.Event(), [], []
    thread = threading.Thread(target=lambda: asyncio.run(serve(ready, port, taken)))
    thread.start()
    assert ready.wait(10)
    connection = adapter(port[0]).connect()
    outcomes = connection.submit_many([sms(1, "one"), sms(2, "два"), sms(3, "three")])
    assert [one.provider_ref for one in outcomes] == ["x3", "x6", "x5"]
    assert {one.short_message for one in taken} == {b"one", b"three", "два".encode("utf-16-be")}
    connection.close()
    thread.join()
