"""`tidings preview` and `tidings send-test` say for what the rules of countries would refuse a message, and refuse none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tidings.cli.main import execute

CAMPAIGN = "campaign: News\npurpose: marketing\nto: everybody\nsend: news\nvia: email\nholdout: none\n"
LETTER = "Subject: News\n\nHello.\n{{ postal_address }}\n{{ unsubscribe_url }}\n"
LACK = "would be refused (missing_ad_label, rules/cn): subject: does not begin with AD"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop that keeps the rules of China and of Russia, and whose news is not labelled."""
    root: Path = tmp_path_factory.mktemp("rules") / "shop"
    assert execute(["init", str(root)]) == 0
    (root / "campaigns" / "news.yaml").write_text(CAMPAIGN)
    (root / "segments" / "everybody.yaml").write_text("segment: Everybody\nwhere:\n  - email: known\n")
    (root / "templates" / "news").mkdir()
    (root / "templates" / "news" / "email.en.txt").write_text(LETTER)
    policies = root / "config" / "policies.yaml"
    policies.write_text(policies.read_text() + "\nrules: [cn, ru]\n")
    (root / "people.csv").write_text("id,email,country\nC-CN,a@example.com,CN\nC-SE,b@example.com,SE\n")
    (root / "people.yaml").write_text(
        "import: People\nkind: customers\ncustomer: id\nfields: {email: email, country: country}\n"
    )
    return root


class Said:
    """The commands in the shop, in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> str:
        """Return what a command that succeeds says."""
        self._capsys.readouterr()
        assert execute([*words]) == 0, self._capsys.readouterr()
        return self._capsys.readouterr().out

    def data(self, *words: str) -> Any:
        """Return it as data."""
        return json.loads(self(*words, "--json"))


@pytest.fixture
def said(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    monkeypatch.chdir(root)
    monkeypatch.delenv("TIDINGS_STORE", raising=False)
    monkeypatch.delenv("TIDINGS_WORKSPACE", raising=False)
    said = Said(capsys)
    if not (root / ".tidings").exists():
        said("migrate", "--yes")
        said("import", "people.csv", "--as", "people.yaml")
    return said


def test_a_preview_says_what_the_country_of_the_customer_asks(said: Said) -> None:
    told = said.data("preview", "news", "--customer", "C-CN")
    assert [(one["rule"], one["code"], one["lack"] is None) for one in told["rules"]] == [
        ("rules/cn", "missing_unsubscribe", True),
        ("rules/cn", "missing_ad_label", False),
    ]
    assert told["would_refuse"] == [LACK]
    page = said("preview", "news", "--customer", "C-CN")
    assert f"warning: {LACK}" in page
    assert "Rules      rules/cn has a way to leave in every part" in page
    other = said("preview", "news", "--customer", "C-SE")
    assert "refused" not in other and "Rules" not in other


def test_a_test_says_it_of_every_pack_and_goes_out_all_the_same(said: Said) -> None:
    told = said.data("send-test", "news", "--to", "me@shop.example")
    (one,) = told["sent"]
    assert (one["outcome"], one["would_refuse"]) == ("accepted", [LACK])
    assert f"by a run it {LACK}" in said("send-test", "news", "--to", "me@shop.example")
    mine = said.data("send-test", "news", "--to", "me@shop.example", "--customer", "C-SE")
    assert mine["sent"][0]["would_refuse"] == []


def test_the_gallery_says_it_beside_each_message(said: Said) -> None:
    (card,) = said.data("preview", "news")["cards"]
    assert LACK in card["notes"]
    assert "by rules/cn has a way to leave in every part" in card["facts"]
