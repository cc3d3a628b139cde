"""The page goes by mail on its day, once to each reader, whoever is killed and however often somebody looks."""

from __future__ import annotations

import email
import threading
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pypdfium2
import pytest
import sqlalchemy as sa

from support.measured import CAMPAIGN, definitions_with, run_seeded
from support.sendgrid_stage import CHANNEL, values
from tidings.channels.protocol import Form, Kind, Outcome, Outgoing
from tidings.channels.sandbox.sendgrid import SendGridSandbox
from tidings.channels.sendgrid import SendGridAdapter
from tidings.clock import FixedClock
from tidings.definitions.kinds.rules import Environment, Papers
from tidings.definitions.kinds.timing import Rhythm
from tidings.definitions.workspace import Definitions
from tidings.errors import TidingsError, UsageError
from tidings.flows import paper_mails
from tidings.flows.paper_mails import due_now, mail_due, readers, subjects
from tidings.flows.round import Round, do_round
from tidings.flows.round_parts import default_parts
from tidings.papers.company_page import company_page
from tidings.store.database import Store
from tidings.store.tables import journeys, sending

ROWS = journeys.mailed_papers
MONDAY = datetime(
    2027, 3, 29, 6, 0, tzinfo=UTC
)  # 08:00 in Stockholm, a day after the clocks were set forward
EVERY = Rhythm("week", datetime(2027, 1, 1, 8, 0).time(), weekdays=(0,))


class Postman:
    """A channel whose answers are given one after another, and who keeps what was handed over."""

    def __init__(self, *answers: object, form: Form = Form.MIME) -> None:
        self.answers = list(answers)
        self.capabilities = SimpleNamespace(form=form)
        self.got: list[Outgoing] = []

    def connect(self) -> Postman:
        return self

    def close(self) -> None:
        pass

    def submit(self, outgoing: Outgoing) -> Outcome:
        answer = self.answers.pop(0) if self.answers else Kind.ACCEPTED
        if isinstance(answer, BaseException):
            raise answer
        self.got.append(outgoing)
        return Outcome(answer, detail="said so")

    def mails(self) -> list[EmailMessage]:
        return [email.message_from_bytes(one.payload, policy=default) for one in self.got]


@pytest.fixture
def world(store: Store, clock: FixedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A shop whose campaign ran, with a page for two readers every Monday at eight."""
    _, definitions = run_seeded(store, n=300)
    workspace = replace(definitions.workspace, papers=Papers(EVERY, ("anna@shop.example", "bo@shop.example")))
    email_ = replace(definitions.channels["email"], kind="email", sender="Test shop <us@shop.example>")
    definitions = replace(definitions, workspace=workspace, channels={"email": email_})
    settings = SimpleNamespace(
        definitions=definitions, environment=Environment("development", outbox=True), data_dir=tmp_path
    )
    postman = Postman()
    monkeypatch.setattr(paper_mails, "load_adapter", lambda *_, **__: postman)
    put(clock, MONDAY)
    yield SimpleNamespace(store=store, clock=clock, settings=settings, postman=postman, root=tmp_path)


def put(clock: FixedClock, at: datetime) -> None:
    clock.advance(at - clock.now())


def look(world: Any) -> int:
    """Do what a round does for the page."""
    this = Round(world.settings, world.store, world.clock, "test", threading.Event())
    return sum(mail_due(this, one) for one in subjects(this))


def states(store: Store) -> dict[tuple[str, str], str]:
    with store.read() as connection:
        return {(row.occurrence, row.recipient): row.state for row in connection.execute(sa.select(ROWS))}


def counted(store: Store) -> list[int]:
    """Return how many rows the tables of what goes to customers have."""
    with store.read() as connection:
        tables = (sending.messages, sending.attempts, sending.notices, sending.cap_use)
        return [connection.scalar(sa.select(sa.func.count()).select_from(one)) for one in tables]


def test_each_reader_gets_the_page_once_with_its_charts_and_the_pdf(world: Any) -> None:
    assert look(world) == 2
    assert [look(world), look(world)] == [0, 0]
    one, other = world.postman.mails()
    assert (one["To"], other["To"]) == ("anna@shop.example", "bo@shop.example")
    assert one["Auto-Submitted"] == "auto-generated"
    assert "2027-03-29" in one["Subject"]
    page = one.get_body(("html",)).get_content()
    assert "WHAT CAMPAIGNS CAUSED" in one.get_body(("plain",)).get_content()
    assert "<svg" not in page and "http" not in page.replace("http://www.w3.org", "")
    pictures = [part for part in one.walk() if part.get_content_type() == "image/png"]
    assert len(pictures) == page.count("cid:") >= 2
    for part in pictures:
        assert f"cid:{part['Content-ID'].strip('<>')}" in page
        assert part.get_content().startswith(b"\x89PNG")
    (attached,) = list(one.iter_attachments())
    assert attached.get_filename() == "test-2027-03-29.pdf"
    document = pypdfium2.PdfDocument(attached.get_content())
    assert "Test shop" in document[0].get_textpage().get_text_range()
    document.close()


def test_it_is_one_mail_a_monday_before_and_after_the_clocks_change(world: Any) -> None:
    got: list[str] = []
    at = datetime(2027, 3, 15, 0, 0, tzinfo=UTC)
    while at < datetime(2027, 4, 13, 0, 0, tzinfo=UTC):
        put(world.clock, at)
        before = len(world.postman.got)
        look(world)
        got += [at.isoformat()[:16]] * ((len(world.postman.got) - before) // 2)
        at += timedelta(hours=1)
    assert got == [
        "2027-03-15T07:00",
        "2027-03-22T07:00",
        "2027-03-29T06:00",
        "2027-04-05T06:00",
        "2027-04-12T06:00",
    ]
    assert set(states(world.store).values()) == {"sent"}
    # And in autumn, when an hour comes twice: a page at half past two on that Sunday.
    zone = replace(
        world.settings.definitions.workspace, papers=Papers(Rhythm("day", datetime(2027, 1, 1, 2, 30).time()))
    )
    sunday = replace(world.settings.definitions, workspace=zone)
    hours = [datetime(2027, 10, 31, 0, 0, tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(6)]
    assert {due.at for hour in hours if (due := due_now(sunday, hour)) and due.key == "2027-10-31"} == {
        datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    }


def test_one_killed_while_it_hands_over_leaves_a_doubt_and_no_second_copy(world: Any) -> None:
    world.postman.answers = [Kind.ACCEPTED, SystemExit("killed")]
    with pytest.raises(SystemExit):
        look(world)
    assert sorted(states(world.store).values()) == ["sent", "started"]
    for minutes in (1, 5, 11, 12, 60, 600):
        put(world.clock, MONDAY + timedelta(minutes=minutes))
        look(world)
    assert len(world.postman.got) == 1
    assert sorted(states(world.store).values()) == ["in_doubt", "sent"]


def test_one_killed_before_it_hands_over_is_repeated(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(paper_mails, "company_letter", lambda *_: (_ for _ in ()).throw(SystemExit("killed")))
        with pytest.raises(SystemExit):
            look(world)
    assert set(states(world.store).values()) == {"planned"}
    put(world.clock, MONDAY + timedelta(hours=3))
    assert look(world) == 2
    assert len(world.postman.got) == 2


def test_two_clocks_at_once_mail_each_reader_once(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = paper_mails.company_letter
    inner: list[int] = []

    def meanwhile(*given: Any) -> Any:
        if not inner:
            inner.append(0)
            inner[0] = look(world)
        return whole(*given)

    monkeypatch.setattr(paper_mails, "company_letter", meanwhile)
    assert look(world) == 0
    assert inner == [2]
    assert len(world.postman.got) == 2


def test_what_a_server_puts_off_is_tried_again_and_what_it_refuses_is_not(world: Any) -> None:
    world.postman.answers = [Kind.TRANSIENT, Kind.REJECTED]
    with pytest.raises(TidingsError, match="anna@shop.example: planned"):
        look(world)
    put(world.clock, MONDAY + timedelta(minutes=5))
    assert look(world) == 0
    put(world.clock, MONDAY + timedelta(minutes=11))
    assert look(world) == 1
    assert states(world.store) == {
        ("2027-03-29", "anna@shop.example"): "sent",
        ("2027-03-29", "bo@shop.example"): "failed",
    }


def test_a_page_more_than_twelve_hours_late_is_left_out(world: Any) -> None:
    put(world.clock, MONDAY + timedelta(hours=13))
    assert look(world) == 0
    assert states(world.store) == {}


def test_the_round_mails_it_and_no_message_to_a_customer_is_counted(world: Any) -> None:
    before = counted(world.store)
    part = next(one for one in default_parts() if one.name == "papers")
    result = do_round(world.settings, world.store, clock=world.clock, owner="test", parts=[part])
    assert result.outcome == "2 pages mailed"
    assert counted(world.store) == before


def test_nothing_is_loaded_or_written_where_no_page_is_wanted(world: Any) -> None:
    bare = replace(world.settings.definitions.workspace, papers=None)
    world.settings.definitions = replace(world.settings.definitions, workspace=bare)
    assert due_now(world.settings.definitions, MONDAY) is None
    assert look(world) == 0
    assert states(world.store) == {}


def test_a_provider_that_takes_fields_gets_the_same_charts_and_the_same_pdf(world: Any) -> None:
    world.postman.capabilities = SimpleNamespace(form=Form.PARTS)
    assert look(world) == 2
    one, other = (outgoing.parts for outgoing in world.postman.got)
    assert one is not None and one.html is not None and other is not None
    assert "<svg" not in one.html and one.attachments == other.attachments
    *pictures, page = one.attachments
    assert len(pictures) == one.html.count("cid:") >= 2
    for picture in pictures:
        assert f"cid:{picture.content_id}" in one.html
        assert picture.content.startswith(b"\x89PNG") and picture.type == "image/png"
    assert (page.name, page.type, page.content_id) == ("test-2027-03-29.pdf", "application/pdf", "")
    document = pypdfium2.PdfDocument(page.content)
    assert "Test shop" in document[0].get_textpage().get_text_range()
    document.close()


def test_sendgrid_takes_the_page_with_its_files_in_one_call_for_each_reader(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SendGridSandbox() as sandbox:
        adapter = SendGridAdapter(CHANNEL, values(sandbox.url))
        monkeypatch.setattr(paper_mails, "load_adapter", lambda *_, **__: adapter)
        assert look(world) == 2
        received = list(sandbox.received)
    assert [one.recipient for one in received] == ["anna@shop.example", "bo@shop.example"]
    for one in received:
        *pictures, page = one.attachments
        assert b64decode(page["content"]).startswith(b"%PDF")
        assert (page["filename"], page["type"], page["disposition"]) == (
            "test-2027-03-29.pdf", "application/pdf", "attachment",
        )  # fmt: skip
        assert {picture["disposition"] for picture in pictures} == {"inline"}
        assert all(f"cid:{picture['content_id']}" in one.html for picture in pictures)
        assert one.headers["Auto-Submitted"] == "auto-generated"


def test_readers_are_those_written_else_all_owners_once() -> None:
    definitions = definitions_with(replace(CAMPAIGN, owner="crm@shop.example"))
    assert readers(definitions) == ("crm@shop.example",)
    two = {
        "a": replace(CAMPAIGN, owner="crm@shop.example"),
        "b": replace(CAMPAIGN, owner="Anna from the shop"),
    }
    assert readers(replace(definitions, campaigns=two)) == ("crm@shop.example",)
    papers = replace(definitions.workspace, papers=Papers(EVERY, ("ceo@shop.example",)))
    assert readers(replace(definitions, workspace=papers)) == ("ceo@shop.example",)


def test_without_an_email_channel_it_is_said(world: Any) -> None:
    world.settings.definitions = replace(world.settings.definitions, channels={})
    with pytest.raises(UsageError, match="no e-mail channel"):
        look(world)


def test_every_part_of_the_page_that_cannot_be_told_is_a_sentence(store: Store) -> None:
    from tidings.papers.company_page import Company

    definitions: Definitions = replace(
        definitions_with(None), events=replace(definitions_with().events, events=())
    )
    paper = company_page(Company(store, definitions, MONDAY, date(2027, 1, 1), date(2027, 3, 29)))
    told = [block.text for section in paper.sections for block in section.blocks]
    assert len(told) == 3
    assert "purchase" in told[0] and "conversion" in told[1] and "No campaign" in told[2]
