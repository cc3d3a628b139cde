"""Files and pictures go with a mail through SendGrid as its published contract wants them, or the mail is refused here."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from channels.sendgrid_letters import personal
from support.prism import contract, shared_prism
from support.sendgrid_stage import CHANNEL, values
from tidings.channels.protocol import Attachment, Kind, Outgoing, Scope
from tidings.channels.sandbox.sendgrid import SendGridSandbox
from tidings.channels.sandbox.sendgrid_rules import errors_in
from tidings.channels.sendgrid import SendGridAdapter
from tidings.channels.sendgrid.letters import Letter, letter_of
from tidings.channels.sendgrid.request import MAX_REQUEST, request_of
from tidings.channels.sendgrid.sharing import alone, bundles

PDF = Attachment("report 2027-03-29.pdf", "application/pdf", b"%PDF-1.7 \x00\xff" * 40)
PICTURE = Attachment("ladder.png", "image/png", b"\x89PNG" * 10, "ladder@papers")


def with_files(number: int, *files: Attachment) -> Outgoing:
    one = personal(number)
    assert one.parts is not None
    return replace(one, parts=replace(one.parts, attachments=files))


def letter(number: int, *files: Attachment) -> Letter:
    found = letter_of(with_files(number, *files), 1_000_000)
    assert isinstance(found, Letter)
    return found


def test_a_request_holds_files_in_base64_and_pictures_under_their_name() -> None:
    body = request_of(alone(letter(1, PICTURE, PDF)))
    assert errors_in(body, len(json.dumps(body))) == []
    document = json.loads(contract("sendgrid_mail_v3.json").read_text())
    place = "#/components/requestBodies/PostMailSend/content/application~1json/schema"
    schema = {"$ref": place, "components": document["components"]}
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(body)) == []
    picture, pdf = body["attachments"]
    assert (b64decode(picture.pop("content")), b64decode(pdf.pop("content"))) == (
        PICTURE.content,
        PDF.content,
    )
    assert picture == {
        "type": "image/png", "filename": "ladder.png", "disposition": "inline", "content_id": "ladder@papers",
    }  # fmt: skip
    assert pdf == {
        "type": "application/pdf", "filename": "report 2027-03-29.pdf", "disposition": "attachment",
    }  # fmt: skip
    assert "attachments" not in request_of(alone(letter(1)))


@pytest.mark.real
def test_the_published_contract_takes_them() -> None:
    mock = shared_prism(contract("sendgrid_mail_v3.json"))
    way = SendGridAdapter(CHANNEL, values(mock.url, answer_timeout=20.0, connect_timeout=5.0)).connect()
    outcomes = way.submit_many([with_files(1, PICTURE, PDF), with_files(2, PICTURE, PDF), with_files(3)])
    assert {(one.kind, one.detail) for one in outcomes} == {(Kind.ACCEPTED, "")}
    body = request_of(alone(letter(1, PDF)))
    body["attachments"][0]["disposition"] = "beside"
    assert way._api.client.mail.send.post(request_body=body).status_code == 400


def test_who_gets_the_same_files_shares_a_call_and_nobody_gets_those_of_another() -> None:
    other = replace(PDF, content=b"%PDF other")
    same = replace(PDF, content=bytes(bytearray(PDF.content)))
    made = bundles([letter(1, PDF), letter(2, other), letter(3), letter(4, same)], 1000)
    assert sorted(tuple(one.reference for one in bundle.letters) for bundle in made) == [
        ("ab12cd-1", "ab12cd-4"), ("ab12cd-2",), ("ab12cd-3",),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        replace(PDF, content=b""),
        replace(PDF, name=" "),
        replace(PDF, name="a\r\nBcc: x@evil.example"),
        replace(PDF, type="application/pdf; x=y"),
        replace(PDF, type="pdf"),
        replace(PICTURE, content_id="a>\r\nX: y"),
    ],
)
def test_a_file_that_cannot_stand_in_a_mail_is_refused_alone(wrong: Attachment) -> None:
    with SendGridSandbox() as sandbox:
        way = SendGridAdapter(CHANNEL, values(sandbox.url)).connect()
        bad, good = way.submit_many([with_files(1, wrong), with_files(2, PDF)])
        assert (bad.kind, bad.scope) == (Kind.REJECTED, Scope.CONTENT)
        assert good.kind == Kind.ACCEPTED
        assert [one.recipient for one in sandbox.received] == ["c2@example.com"]


def test_a_file_over_the_limit_of_a_request_is_refused_before_it_is_sent() -> None:
    # In Base64 three bytes are four signs.
    large = replace(PDF, content=b"x" * (MAX_REQUEST * 3 // 4))
    with SendGridSandbox() as sandbox:
        outcome = SendGridAdapter(CHANNEL, values(sandbox.url)).connect().submit(with_files(1, large))
        assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.CONTENT)
        assert "30 MB" in outcome.detail
        assert not sandbox.received


@pytest.mark.parametrize(
    "change",
    [
        {"content": ""},
        {"content": "no base64!"},
        {"content": 5},
        {"filename": ""},
        {"filename": "a\nb"},
        {"type": "application/pdf; charset=x"},
        {"disposition": "beside"},
        {"content_id": ""},
    ],
)
def test_the_sandbox_refuses_what_the_real_service_refuses(change: dict[str, Any]) -> None:
    body = request_of(alone(letter(1, PDF)))
    body["attachments"][0] |= change
    assert errors_in(body, 1000)
    assert errors_in({**body, "attachments": {}}, 1000)
