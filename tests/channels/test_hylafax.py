"""Faxes through HylaFAX: the real server where it is installed, the scripted one for what a telephone line does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest

from support.fax_pages import FAX, small_tiff
from support.hylafax import FakeHfaxd, FakeJob, Spool, hylafax
from tidings.channels.hylafax import HylafaxAdapter
from tidings.channels.hylafax.dialogue import Dialogue
from tidings.channels.protocol import (
    ChannelUnavailable,
    Kind,
    Outgoing,
    Outstanding,
    Polled,
    Receipt,
    ReceiptKind,
    Scope,
)

TO = "+46812345678"


@pytest.fixture(scope="module")
def spool() -> Iterator[Spool]:
    with hylafax() as running:
        yield running


def adapter(port: int, **values: Any) -> HylafaxAdapter:
    return HylafaxAdapter(FAX, {"port": port, "timeout": 5} | values)


def fax(reference: str, *, recipient: str = TO, message_id: int = 42) -> Outgoing:
    return Outgoing(message_id, "+46850001000", recipient, small_tiff(2), reference=reference)


def asked(reference: str, job: str = "") -> list[Outstanding]:
    return [Outstanding(42, reference, job)]


def one(events: list[Any]) -> Receipt:
    assert len(events) == 1
    assert isinstance(events[0], Receipt)
    return events[0]


def test_a_real_server_takes_the_pages_as_they_are_with_our_reference_as_tag(spool: Spool) -> None:
    connection = adapter(spool.port, dial_prefix="00", tries=2).connect()
    outcome = connection.submit(fax("ab12cd-1"))
    connection.close()
    assert outcome.kind == Kind.ACCEPTED
    job = next(job for job in spool.jobs() if job["jobtag"] == "ab12cd-1")
    assert job["jobid"] == outcome.provider_ref
    assert job["number"] == "0046812345678"
    assert (job["maxdials"], job["maxtries"], job["retrytime"]) == ("2", "2", "300")
    assert (job["resolution"], job["pagelength"], job["notify"], job["pagechop"]) == (
        "196",
        "297",
        "none",
        "none",
    )
    # Kept as TIFF: nothing converts our pages before they are dialled.
    kept = spool.folder / job["tiff"].split(":")[-1]
    assert kept.read_bytes() == small_tiff(2)


def test_no_personal_data_but_the_number_stands_in_a_job(spool: Spool) -> None:
    connection = adapter(spool.port).connect()
    connection.submit(fax("ab12cd-2"))
    connection.close()
    job = next(job for job in spool.jobs() if job["jobtag"] == "ab12cd-2")
    assert (job["sender"], job["receiver"], job["company"]) == ("tidings", "", "")
    assert job["mailaddr"].startswith("tidings@")
    number = TO.removeprefix("+")
    assert {name for name, value in job.items() if number in value} == {"number", "external"}


def test_a_reference_that_a_real_server_has_is_never_submitted_again(spool: Spool) -> None:
    first = adapter(spool.port).connect()
    taken = first.submit(fax("ab12cd-3"))
    first.close()
    again = adapter(spool.port).connect()
    assert again.submit(fax("ab12cd-3")).provider_ref == taken.provider_ref
    assert again.submit(fax("ab12cd-3")).kind == Kind.ACCEPTED
    again.close()
    assert [job["jobtag"] for job in spool.jobs()].count("ab12cd-3") == 1


def test_a_waiting_job_of_a_real_server_is_known_and_a_killed_one_is_told(spool: Spool) -> None:
    channel = adapter(spool.port)
    connection = channel.connect()
    job = connection.submit(fax("ab12cd-4")).provider_ref or ""
    connection.close()
    assert isinstance(channel, Polled)
    waiting = one(channel.poll(asked("ab12cd-4", job)))
    assert (waiting.kind, waiting.provider_ref) == (ReceiptKind.QUEUED, job)
    assert channel.poll(asked("ab12cd-999")) == []
    assert channel.cancel(job)
    killed = one(channel.poll(asked("ab12cd-4", job)))
    assert (killed.kind, killed.scope, killed.permanent) == (ReceiptKind.BOUNCED, Scope.CONFIG, False)
    assert killed.detail == "Job aborted by request, 0 calls"
    assert killed.event_id != waiting.event_id
    assert not channel.cancel(job)
    assert not channel.cancel("999999")
    # A killed one was given up by somebody: it does not go out again by itself.
    again = channel.connect()
    assert again.submit(fax("ab12cd-4")).provider_ref == job
    again.close()


def test_a_job_that_was_not_submitted_is_seen_by_nobody_else_and_dies_with_its_session(spool: Spool) -> None:
    """Else a look at the queue would take for sent what never was."""
    broken, other = Dialogue("127.0.0.1", spool.port, 5), Dialogue("127.0.0.1", spool.port, 5)
    broken.open("tidings", "")
    broken.command("JNEW")
    broken.parameter("JOBINFO", "ab12cd-5")
    other.open("tidings", "")
    assert [job for job in other.jobs() if job.tag == "ab12cd-5"] == []
    broken.close()
    other.close()
    connection = adapter(spool.port).connect()
    assert connection.submit(fax("ab12cd-5")).kind == Kind.ACCEPTED
    connection.close()
    assert [job["jobtag"] for job in spool.jobs()].count("ab12cd-5") == 1


def test_the_scripted_server_speaks_as_the_real_one(spool: Spool) -> None:
    """The same dialogue with both, answers compared by their codes."""

    def codes(port: int) -> list[str]:
        dialogue = Dialogue("127.0.0.1", port, 5)
        dialogue.open("tidings", "")
        said = [dialogue.store(small_tiff())[:4]]
        for line in ("NOOP", "JNEW", 'JPARM JOBINFO "x-1"', "JPARM MAXDIALS 3"):
            said.append(dialogue.command(line)[:3])
        try:
            dialogue.command("JKILL 424242")
        except Exception as refused:
            said.append(str(refused)[:3])
        dialogue.close()
        return said

    with FakeHfaxd() as fake:
        assert codes(fake.port) == codes(spool.port)


def test_a_password_is_asked_for_and_a_wrong_one_does_not_let_us_in() -> None:
    with FakeHfaxd(password="right") as fake:
        adapter(fake.port, password="right").connect().close()
        with pytest.raises(ChannelUnavailable, match="does not let us in") as told:
            adapter(fake.port, password="wrong").connect()
        assert "wrong" not in str(told.value)


@pytest.mark.parametrize(
    ("state", "dials", "status", "kind", "scope", "permanent"),
    [
        ("D", 1, "", ReceiptKind.DELIVERED, None, False),
        ("W", 0, "", ReceiptKind.QUEUED, None, False),
        ("R", 1, "", ReceiptKind.QUEUED, None, False),
        ("S", 1, "Busy signal detected", ReceiptKind.DEFERRED, None, False),
        ("S", 2, "No answer from remote", ReceiptKind.DEFERRED, None, False),
        ("F", 3, "Busy signal detected; too many attempts to dial", ReceiptKind.BOUNCED, None, False),
        ("F", 3, "No carrier detected", ReceiptKind.BOUNCED, None, False),
        ("F", 0, "REJECT: Unable to convert dial string to canonical format", ReceiptKind.BOUNCED, Scope.RECIPIENT, True),
        ("F", 1, "Document is corrupt", ReceiptKind.BOUNCED, Scope.CONTENT, True),
        ("F", 2, "Some words of a later version", ReceiptKind.BOUNCED, None, False),
    ],
)  # fmt: skip
def test_what_the_queue_says_becomes_a_receipt(
    state: str, dials: int, status: str, kind: ReceiptKind, scope: Scope | None, permanent: bool
) -> None:
    with FakeHfaxd() as fake:
        fake.jobs.append(
            FakeJob("7", "ab12cd-1", state, pages=2 if state == "D" else 0, dials=dials, status=status)
        )
        told = one(adapter(fake.port).poll(asked("ab12cd-1", "7")))
    assert (told.kind, told.scope, told.permanent, told.provider_ref) == (kind, scope, permanent, "7")
    if kind == ReceiptKind.DELIVERED:
        assert (told.units, told.cost, told.currency) == (2, Decimal("0.24"), "EUR")
        assert told.detail == "2 pages, 1 call"


def test_each_call_that_failed_is_an_event_of_its_own() -> None:
    with FakeHfaxd() as fake:
        job = FakeJob("7", "ab12cd-1", "S", dials=1, status="Busy signal detected")
        fake.jobs.append(job)
        first = one(adapter(fake.port).poll(asked("ab12cd-1")))
        job.dials = 2
        second = one(adapter(fake.port).poll(asked("ab12cd-1")))
    assert first.event_id != second.event_id


def test_a_status_with_our_separator_in_it_is_read_whole() -> None:
    with FakeHfaxd() as fake:
        fake.jobs.append(FakeJob("7", "ab12cd-1", "F", dials=1, status="odd | words | here"))
        assert one(adapter(fake.port).poll(asked("ab12cd-1"))).detail == "odd | words | here, 1 call"


def test_a_job_of_somebody_else_with_our_number_is_not_ours() -> None:
    with FakeHfaxd() as fake:
        fake.jobs.append(FakeJob("7", "other-system", "D", pages=1, dials=1))
        assert adapter(fake.port).poll(asked("ab12cd-1", "7")) == []


def test_a_lost_answer_to_the_submission_is_a_doubt_that_a_look_at_the_queue_settles() -> None:
    with FakeHfaxd() as fake:
        channel = adapter(fake.port, timeout=0.5)
        connection = channel.connect()
        fake.silent = "JSUBM"
        assert connection.submit(fax("ab12cd-1")).kind == Kind.IN_DOUBT
        fake.silent = ""
        assert channel.poll(asked("ab12cd-1")) == []
        # It had been taken after all: the next try finds it.
        fake.jobs.append(FakeJob("9", "ab12cd-1"))
        assert connection.submit(fax("ab12cd-1")).provider_ref == "9"
        assert one(channel.poll(asked("ab12cd-1"))).kind == ReceiptKind.QUEUED
        connection.close()
        assert len(fake.jobs) == 1


def test_a_full_queue_throttles_before_anything_is_handed_over() -> None:
    with FakeHfaxd() as fake:
        fake.jobs += [FakeJob(str(n), f"other-{n}") for n in range(3)]
        connection = adapter(fake.port, most_waiting=3).connect()
        outcome = connection.submit(fax("ab12cd-1"))
        connection.close()
        assert (outcome.kind, outcome.retry_after) == (Kind.THROTTLED, 120.0)
        assert not any(line.startswith("STOT") for line in fake.commands)


def test_a_server_that_closes_with_421_is_busy_and_not_broken() -> None:
    with FakeHfaxd(answers={"JNEW": "421 Too many jobs, closing control connection."}) as fake:
        connection = adapter(fake.port).connect()
        assert connection.submit(fax("ab12cd-1")).kind == Kind.THROTTLED
        connection.close()


@pytest.mark.parametrize(
    "number", ["0812345678", "+46", "+46812345678,,99", "+4681234 5678", "+46812345678\r\nJSUBM", "T+4681", "", "+１２３４５６７８"]
)  # fmt: skip
def test_a_number_outside_e164_is_refused_before_a_word_is_said(number: str) -> None:
    with FakeHfaxd() as fake:
        connection = adapter(fake.port).connect()
        before = len(fake.commands)
        outcome = connection.submit(fax("ab12cd-1", recipient=number))
        assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.RECIPIENT)
        assert len(fake.commands) == before
        connection.close()


@pytest.mark.parametrize("reference", ['x" y', "x\r\nJKILL 1", "-x", "x" * 65, "ключ"])
def test_a_reference_that_could_say_more_than_itself_is_refused(reference: str) -> None:
    with FakeHfaxd() as fake:
        connection = adapter(fake.port).connect()
        outcome = connection.submit(replace(fax("x"), reference=reference))
        assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.CONFIG)
        assert fake.jobs == []
        connection.close()


def test_what_is_no_tiff_is_refused() -> None:
    with FakeHfaxd() as fake:
        connection = adapter(fake.port).connect()
        outcome = connection.submit(replace(fax("ab12cd-1"), payload=b"%!PS\nshowpage"))
        assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.CONTENT)
        connection.close()


@pytest.mark.parametrize(
    ("values", "dialled"),
    [
        ({}, TO.removeprefix("+")),
        ({"dial_prefix": "00"}, "0046812345678"),
        ({"dial_prefix": "9,00", "country": "46"}, "9,0812345678"),
        ({"dial_prefix": "9,00", "country": "49"}, "9,0046812345678"),
        ({"country": "46", "national_prefix": ""}, "812345678"),
    ],
)
def test_the_dial_plan_makes_the_number_that_is_dialled(values: dict[str, Any], dialled: str) -> None:
    with FakeHfaxd() as fake:
        connection = adapter(fake.port, **values).connect()
        assert connection.submit(fax("ab12cd-1")).kind == Kind.ACCEPTED
        connection.close()
        assert fake.jobs[0].parameters["DIALSTRING"].lstrip("+") == dialled


def test_a_prefix_that_is_no_prefix_is_said_when_connecting() -> None:
    with FakeHfaxd() as fake, pytest.raises(ChannelUnavailable, match="prefixes"):
        adapter(fake.port, dial_prefix="9;ATH").connect()


def test_letter_paper_and_standard_resolution_are_told_to_the_server() -> None:
    with FakeHfaxd() as fake:
        connection = adapter(fake.port, paper="letter", resolution="standard", hours=30).connect()
        connection.submit(fax("ab12cd-1"))
        connection.close()
        told = fake.jobs[0].parameters
    assert (told["PAGELENGTH"], told["VRES"], told["LASTTIME"]) == ("279", "98", "010600")


def test_the_pages_arrive_byte_for_byte() -> None:
    large = small_tiff(1) + bytes(range(256)) * 4000
    with FakeHfaxd() as fake:
        connection = adapter(fake.port).connect()
        assert connection.submit(replace(fax("ab12cd-1"), payload=large)).kind == Kind.ACCEPTED
        connection.close()
        assert BytesIO(fake.jobs[0].document).getvalue() == large
