"""Who gets copies and whose choice comes first decide who gets what: the hash of a campaign knows both."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.shop import copy_workspace
from tidings.definitions.hashing import definition_hash
from tidings.definitions.loader import load

CAMPAIGN = "campaign: Copied\npurpose: marketing\nto: lapsed_buyers\nsend: spring_winback\nvia: {via}\n{more}"
STAFF = 'segment: Staff\nwhere:\n  - full_name: "{name}"\n'
SAY = "holdout: none\nsay: {subject_line: Spring, opener: Hello}\n"


def hashed(root: Path, via: str = "[email, sms]", more: str = SAY, name: str = "Ann") -> str:
    (root / "segments" / "our_staff.yaml").write_text(STAFF.format(name=name))
    (root / "campaigns" / "copied.yaml").write_text(CAMPAIGN.format(via=via, more=more))
    return definition_hash(load(root), "copied")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copy_workspace(tmp_path / "shop")


def test_the_customers_own_choice_is_part_of_the_hash(root: Path) -> None:
    plain = hashed(root)
    assert hashed(root) == plain
    chosen = hashed(root, via="[preferred, email, sms]")
    assert chosen != plain
    assert hashed(root, via="[email, preferred, sms]") not in (plain, chosen)


def test_a_channel_that_only_a_later_leg_uses_is_part_of_the_hash(root: Path) -> None:
    plain = hashed(root, via="[preferred, email, sms]")
    path = root / "channels" / "sms.yaml"
    path.write_text(path.read_text().replace("+46700000000", "+46700000009"))
    assert hashed(root, via="[preferred, email, sms]") != plain


def test_staff_who_get_copies_are_part_of_the_hash_with_the_segment_that_names_them(root: Path) -> None:
    plain = hashed(root)
    assert hashed(root, name="Bea") == plain
    copied = hashed(root, more=SAY + "copies_to: our_staff\n")
    assert copied != plain
    assert hashed(root, more=SAY + "copies_to: our_staff\n", name="Bea") != copied
