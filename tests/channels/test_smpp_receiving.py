"""What an SMS centre delivers to us: read, told once, acknowledged when it is stored."""

from __future__ import annotations

from typing import Any

import pytest

from support.smpp_centre import adapter
from tidings import gsm
from tidings.channels.protocol import ReceiptKind
from tidings.channels.smpp import SmppAdapter
from tidings.channels.smpp.receiving import READ_ID, event_of


@pytest.mark.parametrize(
    ("manner", "written", "meant"),
    [
        ("same", "A1F", "A1F"),
        ("hex_to_decimal", "A1F", "2591"),
        ("decimal_to_hex", "2591", "A1F"),
        ("hex_to_decimal", "zz", "zz"),
    ],
)
def test_receipts_that_write_the_id_otherwise_are_read(manner: str, written: str, meant: str) -> None:
    assert READ_ID[manner](written) == meant


def test_receipts_of_every_state_and_form_are_read() -> None:
    from smpp34 import DeliverSm, Tlv

    def said(text: bytes, **more: Any) -> Any:
        return event_of(
            DeliverSm("46701112233", "72345", text, esm_class=4, **more), READ_ID["same"], unique="u"
        )

    kinds = {
        stat: said(f"id:7 stat:{stat} err:011".encode()).kind
        for stat in (
            "DELIVRD",
            "UNDELIV",
            "REJECTD",
            "EXPIRED",
            "DELETED",
            "ACCEPTD",
            "ENROUTE",
            "UNKNOWN",
            "ODD",
        )
    }
    assert kinds == {
        "DELIVRD": ReceiptKind.DELIVERED, "UNDELIV": ReceiptKind.BOUNCED, "REJECTD": ReceiptKind.BOUNCED,
        "EXPIRED": ReceiptKind.BOUNCED, "DELETED": ReceiptKind.BOUNCED, "ACCEPTD": ReceiptKind.SENT,
        "ENROUTE": ReceiptKind.SENT, "UNKNOWN": ReceiptKind.OTHER, "ODD": ReceiptKind.OTHER,
    }  # fmt: skip
    assert said(b"id:7 stat:UNDELIV err:011").detail == "UNDELIV err 011"
    assert said(b"id:7 stat:UNDELIV").event_id != said(b"id:7 stat:ENROUTE").event_id
    only_tlvs = said(b"", tlvs=[Tlv(0x001E, b"77\0"), Tlv(0x0427, b"\x02")])
    assert (only_tlvs.provider_ref, only_tlvs.kind) == ("77", ReceiptKind.DELIVERED)


class _Session:
    """A session that notes what it acknowledged."""

    def __init__(self, *, alive: bool = True) -> None:
        self.alive = alive
        self.acknowledged: list[int] = []

    def answer(self, command: int, sequence: int, body: bytes = b"") -> None:
        self.acknowledged.append(sequence)


def told(sender: SmppAdapter, session: _Session, sequence: int, text: bytes = b"STOP", **more: Any) -> None:
    from smpp34 import DeliverSm

    unit = DeliverSm(
        "46701112233", "72345", text, source_addr_ton=1, sequence_number=sequence, **more
    ).encode()
    sender._delivered(session, sequence, bytes(unit))  # type: ignore[arg-type]


def test_nothing_is_acknowledged_that_came_after_what_was_stored() -> None:
    sender, session = adapter(1), _Session()
    sender._sessions = [session]  # type: ignore[list-item]
    for number in (1, 2, 3):
        told(sender, session, number, b"id:%d stat:DELIVRD done date:2703020901" % number, esm_class=4)
    # The store was away: the taker still has the three, and asks for more.
    held = sender.take_events()
    assert len(held) == 3 and sender.take_events() == []
    told(sender, session, 4, b"STOP")
    sender.events_stored(len(held))
    assert session.acknowledged == [1, 2, 3]
    assert [one.text for one in sender.take_events()] == ["STOP"]
    sender.events_stored(1)
    assert session.acknowledged == [1, 2, 3, 4]


def test_a_repeat_over_the_next_session_is_the_same_event_and_a_second_word_is_not() -> None:
    sender, first, second = adapter(1), _Session(), _Session()
    sender._sessions = [second]  # type: ignore[list-item]
    told(sender, first, 7, b"START")
    (start,) = sender.take_events()
    sender.events_stored(1)
    first.alive = False
    told(sender, second, 1, b"STOP")
    told(sender, second, 2, b"START")
    stop, again = sender.take_events()
    assert again.event_id == start.event_id != stop.event_id
    sender.events_stored(2)
    told(sender, second, 3, b"START")
    (meant,) = sender.take_events()
    assert meant.event_id != start.event_id, "over the same session it is a new word"


def test_an_impatient_centre_costs_no_memory_and_every_repeat_is_acknowledged() -> None:
    sender, session = adapter(1), _Session()
    sender._sessions = [session]  # type: ignore[list-item]
    for number in range(1, 2_001):
        told(sender, session, number, b"id:1 stat:DELIVRD done date:2703020901", esm_class=4)
    assert len(sender.take_events()) == 1
    sender.events_stored(1)
    assert len(session.acknowledged) == 2_000


def test_the_alphabet_is_read_back_as_written() -> None:
    text = "".join(sign for sign in gsm.BASIC if sign != "\x1b") + "".join(gsm.EXTENSION)
    assert gsm.decode(gsm.encode(text)) == text
    assert not gsm.fits("ё")
