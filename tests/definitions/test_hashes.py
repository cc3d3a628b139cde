"""The definition hash changes with everything that decides what a campaign does, and with nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.workspaces import FILES, small_workspace, write
from tidings.definitions.hashing import canonical, definition_hash, policy_hash
from tidings.definitions.loader import load
from tidings.errors import UsageError

INNER = "segment: Inner\nwhere:\n  - orders: at least 2\n"
OUTER = "segment: Outer\nwhere:\n  - any: [{segment: inner}, {vip: true}]\n"
EXTRA: dict[str, str | bytes | None] = {
    "segments/inner.yaml": INNER,
    "segments/outer.yaml": OUTER,
    "campaigns/spring.yaml": FILES["campaigns/spring.yaml"].replace("everybody", "outer"),
}
BEFORE = {**FILES, **EXTRA}


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("campaigns/spring.yaml", "to: outer", "to: inner"),
        ("segments/inner.yaml", "at least 2", "at least 3"),
        ("segments/outer.yaml", "true", "false"),
        ("channels/email.yaml", "adapter: smtp", "adapter: outbox"),
        ("config/policies.yaml", "class: marketing", "class: survey"),
        ("config/attributes.yaml", "basic, ", ""),
        ("config/events.yaml", "items: number\n", "items: text\n"),
        ("config/workspace.yaml", "a-salt-for-tests", "another-salt"),
        ("templates/welcome/email.en.txt", "Hello", "Hullo"),
    ],
)
def test_what_decides_changes_the_hash(path: str, old: str, new: str, tmp_path: Path) -> None:
    root = small_workspace(tmp_path, EXTRA)
    before = definition_hash(load(root), "spring")
    changed = str(BEFORE[path]).replace(old, new)
    assert changed != BEFORE[path]
    write(root, {path: changed})
    assert definition_hash(load(root), "spring") != before


def test_what_does_not_decide_leaves_the_hash(tmp_path: Path) -> None:
    root = small_workspace(tmp_path, EXTRA)
    before = definition_hash(load(root), "spring")
    write(
        root,
        {
            "campaigns/spring.yaml": "# a comment\n\n" + str(EXTRA["campaigns/spring.yaml"]),
            "segments/inner.yaml": INNER.replace("  - ", "   -   ").replace("at least 2", '"at least 2.0"'),
            "segments/other.yaml": "segment: Other\nwhere:\n  - country: SE\n",
            "channels/email.yaml": "# who carries it\n\n" + FILES["channels/email.yaml"],
            "channels/text.yaml": "channel: Another\nadapter: outbox\nkind: sms\n",
            "templates/spring/garden/email.en.txt": "Changed\n",
        },
    )
    assert definition_hash(load(root), "spring") == before


def test_the_hash_is_the_same_in_every_process_and_place(tmp_path: Path) -> None:
    one, other = small_workspace(tmp_path / "one", EXTRA), small_workspace(tmp_path / "other", EXTRA)
    program = (
        "import sys; from pathlib import Path; from tidings.definitions.loader import load\n"
        "from tidings.definitions.hashing import definition_hash, policy_hash\n"
        "d = load(Path(sys.argv[1])); print(definition_hash(d, 'spring'), policy_hash(d))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program, str(root)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for root, seed in ((one, "1"), (other, "2"))
    }
    definitions = load(one)
    assert found == {f"{definition_hash(definitions, 'spring')} {policy_hash(definitions)}\n"}


def test_an_unknown_campaign_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='no campaign "summer"'):
        definition_hash(load(small_workspace(tmp_path)), "summer")


def test_what_is_no_definition_is_refused() -> None:
    with pytest.raises(TypeError, match="object is no part of a definition"):
        canonical(object())
