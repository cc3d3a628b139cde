"""`rules`, `blocked_countries`, `registered_in` and `links`: what is read, and what a slip of the pen is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.workspaces import problems_of, small_workspace
from tidings.definitions.iso_countries import CODES
from tidings.definitions.kinds.importing import Column, Layout, NumbersImport
from tidings.definitions.loader import load
from tidings.definitions.rule_packs import PACKS
from tidings.definitions.sample import FILES, POLICIES

CHANNEL = "channel: Text message\nadapter: outbox\nkind: sms\n"


def test_they_are_read(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {
        "config/policies.yaml": POLICIES + "rules: [tw, us]\nblocked_countries: [KP]\n",
        "channels/text.yaml": CHANNEL + "registered_in: [TW, CN]\nlinks: [shop.example, s.shop.example]\n",
        "config/imports/nix.yaml": "import: NIX\nkind: do_not_call\nencoding: big5\nnumber: phone\ncountry: SE\n",
    }
    found = load(small_workspace(tmp_path, files))
    assert (found.policies.rules, found.policies.blocked_countries) == (("tw", "us"), ("KP",))
    channel = found.channels["text"]
    assert (channel.registered_in, channel.links) == (("TW", "CN"), ("shop.example", "s.shop.example"))
    assert found.imports["nix"] == NumbersImport(
        "nix", "NIX", "config/imports/nix.yaml", Column("phone"), "SE", Layout("big5")
    )


def test_a_workspace_that_says_nothing_keeps_none(tmp_path: Path) -> None:
    found = load(small_workspace(tmp_path))
    assert (found.policies.rules, found.policies.blocked_countries) == ((), ())


@pytest.mark.parametrize(
    ("path", "line", "at", "message", "hint"),
    [
        ("config/policies.yaml", "rules: [tw, uss]", 13, '"uss" is not one of', 'did you mean "us"?'),
        ("config/policies.yaml", "rules: [tw, tw]", 13, '"tw" stands here twice', ""),
        ("config/policies.yaml", "blocked_countries: [KPP]", 21, "is not the code of a country", 'did you mean "KP"?'),
        ("config/policies.yaml", "blocked_countries: [UK]", 21, "is not the code of a country", "write GB"),
        ("config/policies.yaml", "blocked_countries: [ru]", 21, "is not the code of a country", "write RU"),
        ("config/policies.yaml", "packs: [tw]", 1, '"packs" is not a key', "write rules: [us, eu]"),
        ("channels/text.yaml", "registered_in: [TW, XX]", 21, "is not the code of a country", ""),
        ("channels/email.yaml", "links: [shop.example]", 1, "`links` is about carriers of text messages", "delete it"),
        ("channels/text.yaml", "links: [https://shop.example]", 9, "is not a host", "shop.example"),
    ],
)  # fmt: skip
def test_a_slip_is_answered_where_it_stands(
    tmp_path: Path, path: str, line: str, at: int, message: str, hint: str
) -> None:
    before = POLICIES if "policies" in path else FILES[path]
    (found,) = problems_of(tmp_path, {path: f"{before}{line}\n"})
    assert (found.at.path, found.at.line, found.at.column) == (path, before.count("\n") + 1, at)
    assert message in found.message
    assert hint in (found.hint or "")


def test_packs_are_about_countries_that_there_are() -> None:
    assert len(set(CODES)) == len(CODES)
    for name, pack in PACKS.items():
        assert name == pack.name
        assert set(pack.countries) <= set(CODES)
        assert pack.demands
