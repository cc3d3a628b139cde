"""Bounces and complaints by mail: read in every dialect, believed about our own message only, moved once stored."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.bounce_corpus import BEGIN, CORPUS, OURS, Told, recipient, report
from tidings.channels.bounces import MaildirReader, read_maildir, read_report
from tidings.channels.protocol import Receipt, ReceiptKind


@pytest.mark.parametrize("name", CORPUS)
def test_each_dialect_says_one_thing(name: str) -> None:
    mail, told = CORPUS[name]
    receipts = read_report(mail)
    if told is None:
        assert receipts == []
        return
    [receipt] = receipts
    assert isinstance(receipt, Receipt)
    assert (receipt.kind, receipt.scope, receipt.permanent, receipt.code) == told
    assert receipt.raw["ledger_id"] == 4711


def only(mail: bytes) -> Receipt:
    [receipt] = read_report(mail)
    assert isinstance(receipt, Receipt)
    return receipt


def test_a_report_names_our_message_in_every_way_it_can() -> None:
    receipt = only(CORPUS["postfix, no such user"][0])
    assert receipt.reference == "ab12cd-4711"
    assert receipt.raw == {"ledger_id": 4711, "message_id_header": "<m4711.f00dbabe@shop.example>"}
    assert receipt.address == "anna@example.com"
    assert receipt.at == datetime(2027, 3, 2, 9, 5, tzinfo=UTC)
    assert receipt.detail == "smtp; 550 5.1.1 <(address)>: user unknown"


@pytest.mark.parametrize("salt", ["r12.0a1b2c3d", "f00dbabe", "r3.v-2_x"])
def test_the_message_ids_that_campaigns_write_are_read(salt: str) -> None:
    returned = OURS.replace("<m4711.f00dbabe@", f"<m4711.{salt}@")
    assert returned != OURS or salt == "f00dbabe"
    receipt = only(report(BEGIN + "\n" + recipient("failed", "5.1.1"), returned=returned))
    assert receipt.raw == {"ledger_id": 4711, "message_id_header": f"<m4711.{salt}@shop.example>"}


def test_a_report_of_thousands_of_recipients_fills_nothing() -> None:
    blocks = "\n".join(recipient("failed", "5.1.1") for _ in range(5_000))
    assert len(read_report(report(BEGIN + "\n" + blocks, returned=OURS))) == 100


SEAL = "0123456789abcdef"


@pytest.mark.parametrize(
    ("own", "named"),
    [
        (f"<m4711.r12.0a1b2c3d.{SEAL}@shop.example>", "ab12cd-4711"),
        (f"<m4711.r12.0a1b2c3d.{SEAL}@shop.example>", "ab12cd-4711-fedcba9876543210"),
        ("<0100018f@relay.example>", f"ab12cd-4711-{SEAL}"),
    ],
)
def test_the_seal_is_read_from_either_of_our_names(own: str, named: str) -> None:
    returned = OURS.replace("<m4711.f00dbabe@shop.example>", own).replace("ab12cd-4711", named)
    receipt = only(report(BEGIN + "\n" + recipient("failed", "5.1.1"), returned=returned))
    assert (receipt.reference, receipt.raw["seal"]) == ("ab12cd-4711", SEAL)


def test_a_forwarded_mail_bounces_for_the_address_that_we_wrote_to() -> None:
    fields = BEGIN + "\n" + recipient("failed", "5.1.1", final="rfc822; elsewhere@other.example")
    assert only(report(fields)).address == "anna@example.com"


def test_without_our_headers_the_reports_own_address_is_all_there_is() -> None:
    assert (
        only(CORPUS["broken: the returned message has no headers, the report answers ours"][0]).address
        == "anna@example.com"
    )


def test_each_recipient_of_a_report_is_told() -> None:
    fields = (
        BEGIN
        + "\n"
        + recipient("failed", "5.1.1")
        + "\n"
        + recipient("delayed", "4.4.1", final="rfc822; b@x.example")
    )
    receipts = read_report(report(fields))
    assert [one.kind for one in receipts] == [ReceiptKind.BOUNCED, ReceiptKind.DEFERRED]
    assert len({one.event_id for one in receipts}) == 2


def test_the_same_report_twice_is_one_event_and_another_is_another() -> None:
    mail = CORPUS["postfix, no such user"][0]
    again = b"Received: by another server\n" + mail
    later = mail.replace(b"<r1@mx", b"<r2@mx")
    assert only(mail).event_id == only(again).event_id != only(later).event_id


def test_a_header_within_the_text_of_the_report_does_not_count_before_the_returned_one() -> None:
    forged = report(
        BEGIN + "\n" + recipient("failed", "5.1.1"), text="Message-ID: <m1.x@shop.example>", returned=OURS
    )
    assert only(forged).raw["ledger_id"] == 4711


def test_an_id_too_large_for_a_ledger_is_none() -> None:
    returned = OURS.replace("m4711.", f"m{'9' * 19}.").replace("X-Tidings-Reference: ab12cd-4711\n", "")
    assert read_report(report(BEGIN + "\n" + recipient("failed", "5.1.1"), returned=returned)) == []


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(CORPUS)), st.data())
def test_a_damaged_report_never_stops_the_reader(name: str, data: st.DataObject) -> None:
    mail = CORPUS[name][0][:5000]
    at = data.draw(st.integers(0, len(mail)))
    damaged = mail[:at] + data.draw(st.binary(max_size=20)) + mail[at + data.draw(st.integers(0, 30)) :]
    for one in read_report(damaged):
        assert isinstance(one, Receipt)
        one.detail.encode()
        one.address.encode()
        assert "\0" not in one.detail + one.address + one.code


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    return tmp_path


def put(maildir: Path, name: str, mail: bytes) -> None:
    (maildir / "new" / name).write_bytes(mail)


def names(maildir: Path, folder: str) -> list[str]:
    return sorted(one.name for one in (maildir / folder).iterdir())


TWO = report(
    BEGIN
    + "\n"
    + recipient("failed", "5.1.1")
    + "\n"
    + recipient("failed", "5.1.1", final="rfc822; b@x.example")
)


def test_a_mail_stays_new_until_all_its_events_are_stored(maildir: Path) -> None:
    put(maildir, "1.a", TWO)
    put(maildir, "2.b", CORPUS["a complaint"][0])
    reader = MaildirReader(maildir)
    assert len(reader.events()) == 3
    assert reader.events() == []
    reader.done(1)
    assert names(maildir, "new") == ["1.a", "2.b"]
    reader.done(1)
    assert (names(maildir, "new"), names(maildir, "cur")) == (["2.b"], ["1.a:2,"])
    reader.done()
    assert (names(maildir, "new"), names(maildir, "cur")) == ([], ["1.a:2,", "2.b:2,"])


def test_after_a_crash_the_same_events_come_again_under_the_same_ids(maildir: Path) -> None:
    put(maildir, "1.a", TWO)
    first = MaildirReader(maildir).events()
    assert MaildirReader(maildir).events() == first == read_maildir(maildir)


def test_mail_of_people_is_moved_unread_and_tells_nothing(maildir: Path) -> None:
    put(maildir, "1.a", CORPUS["a person who quotes a bounce"][0])
    put(maildir, "2.b", CORPUS["no mail at all"][0])
    assert MaildirReader(maildir).events() == []
    assert (names(maildir, "new"), names(maildir, "cur")) == ([], ["1.a:2,", "2.b:2,"])


def test_a_mail_that_another_reader_took_is_nobodys_loss(maildir: Path) -> None:
    put(maildir, "1.a", TWO)
    reader = MaildirReader(maildir)
    reader.events()
    (maildir / "new" / "1.a").unlink()
    reader.done()
    assert names(maildir, "cur") == []


def test_links_and_pipes_are_not_read(maildir: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(TWO)
    (maildir / "new" / "1.link").symlink_to(secret)
    os.mkfifo(maildir / "new" / "2.pipe")
    assert MaildirReader(maildir).events() == []
    assert names(maildir, "new") == ["1.link", "2.pipe"]


def test_new_mail_is_found_while_other_mail_waits_to_be_stored(maildir: Path) -> None:
    put(maildir, "1.a", TWO)
    reader = MaildirReader(maildir)
    reader.events()
    put(maildir, "2.b", CORPUS["a complaint"][0])
    assert [one.kind for one in reader.events()] == [ReceiptKind.COMPLAINED]


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_maildir(tmp_path / "nowhere")


def test_every_entry_of_the_corpus_says_what_it_expects() -> None:
    told: list[Told] = [one for _, one in CORPUS.values()]
    assert len(CORPUS) > 30
    assert None in told
