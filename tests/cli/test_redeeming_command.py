"""`tidings codes show` and `codes redeem`: one code by hand, refused with its reason, told once and taken back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.workspaces import small_workspace
from tidings.cli.main import execute
from tidings.cli.session import open_session
from tidings.clock import to_micros
from tidings.store.tables import people

FILES: dict[str, str | bytes | None] = {
    "campaigns/spring.yaml": "campaign: Spring\npurpose: service\nto: everybody\nsend: spring\nvia: email\nholdout: none\n"
    "offer: {gives: 10% off, code: SPRING10, at_most: 1 each, ends: 2099-03-16}\n",
    "channels/email.yaml": "channel: E-mail\nadapter: outbox\nkind: email\nsender: hello@shop.example\n",
    "templates/spring/email.en.txt": "Subject: Spring\n\n{{ offer.gives }} with {{ offer.code }}\n",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a code that all share and one customer."""
    root = small_workspace(tmp_path, FILES)
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    monkeypatch.delenv("TIDINGS_STORE", raising=False)
    assert execute(["migrate", "--yes"]) == 0
    with open_session() as session, session.store.durable("test") as connection:
        now = to_micros(session.clock.now())
        connection.execute(people.customers.insert().values(key="c1", u=1, created_at=now))
    return root


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run a command and return what it printed."""
    capsys.readouterr()
    assert execute(list(words)) == code, capsys.readouterr()
    told = capsys.readouterr()
    return told.out + told.err


def test_a_code_is_looked_at_redeemed_and_taken_back(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, "codes", "show", "spring10", "--customer", "c1")
    assert "SPRING10: The code is good.\nIt gives 10% off, until 2099-03-17 00:00, of spring." in told
    sale = ("codes", "redeem", "SPRING10", "--customer", "c1", "--order", "77")
    assert "The code is redeemed." in said(capsys, *sale, "--discount", "2.50")
    again = json.loads(said(capsys, *sale, "--json"))
    assert (again["good"], again["already"], again["id"]) == (True, True, "SPRING10 77")
    told = said(capsys, "codes", "redeem", "SPRING10", "--customer", "c1", "--order", "78", code=1)
    assert "redeemed before" in told
    assert "again" in said(capsys, "codes", "show", "SPRING10", "--customer", "c1", "--json")
    assert "taken back" in said(capsys, *sale, "--undo")
    assert "The code is good." in said(capsys, "codes", "show", "SPRING10", "--customer", "c1")
    assert "The code is redeemed." in said(
        capsys, "codes", "redeem", "SPRING10", "--customer", "c1", "--order", "78"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("SPRING10", "--discount", "2.505"), "no amount in EUR"),
        (("SPRING10", "--discount", "much"), "no amount in EUR"),
        (("SPRING10", "--discount", "-1"), "no amount in EUR"),
        (("SPRING10", "--at", "yesterday"), "is not a date"),
        (("SPRING10", "--undo"), "nothing was redeemed here"),
    ],
)
def test_what_cannot_be_told_is_refused_in_a_sentence(
    root: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in said(capsys, "codes", "redeem", *words, code=2)


def test_one_id_is_not_used_for_two_codes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "codes", "redeem", "SPRING10", "--id", "x")
    assert "another code already" in said(capsys, "codes", "redeem", "OTHER", "--id", "x", code=2)
