"""A second check says the same in a fraction of the time, and never what no longer holds."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from support.shop import copy_workspace
from tidings.definitions.loader import load
from tidings.templates import checking, remembered
from tidings.templates.checking import check_messages
from tidings.templates.remembered import FILE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copy_workspace(tmp_path / "shop")


def test_what_was_found_is_told_again_without_rendering(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = next((root / "templates" / "spring_winback").glob("email.en.*"))
    template.write_text(template.read_text() + "\n{{ full_nam }}\n")
    first = check_messages(load(root))
    assert [one for one in first if one.severity == "error"]
    monkeypatch.setattr(checking, "check_campaign", lambda *_: pytest.fail("it was rendered again"))
    assert check_messages(load(root)) == first


def test_a_change_of_any_file_that_matters_is_seen(root: Path) -> None:
    assert not [one for one in check_messages(load(root)) if one.severity == "error"]
    template = next((root / "templates" / "spring_winback").glob("email.ru.*"))
    whole = template.read_text()
    template.write_text(whole + "\n{{ full_nam }}\n")
    wrong = [one for one in check_messages(load(root)) if one.severity == "error"]
    assert wrong and wrong[0].at.path.endswith(template.name)
    template.write_text(whole)
    assert not [one for one in check_messages(load(root)) if one.severity == "error"]


def test_a_look_at_one_campaign_leaves_what_is_known_of_the_others(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_messages(load(root))
    template = next((root / "templates" / "spring_winback").glob("email.en.*"))
    template.write_text(template.read_text() + "\n{{ full_nam }}\n")
    definitions = load(root)
    # As `tidings plan` does: one campaign with its own channels alone.
    one = definitions.campaigns["spring_winback"]
    channels = {name: definitions.channels[name] for name in one.via}
    found = check_messages(replace(definitions, campaigns={one.id: one}, flows={}, channels=channels))
    assert [problem for problem in found if problem.severity == "error"]
    monkeypatch.setattr(checking, "check_campaign", lambda *_: pytest.fail("it was rendered again"))
    assert set(found) <= set(check_messages(definitions))


def test_a_change_of_one_of_its_channels_is_seen_and_of_another_is_not(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_messages(load(root))
    seen: list[str] = []
    looked = checking.check_campaign
    monkeypatch.setattr(checking, "check_campaign", lambda *of: seen.append(of[1].id) or looked(*of))
    definitions = load(root)
    by_fax = {one.id for one in definitions.campaigns.values() if "fax" in one.via}
    assert 0 < len(by_fax) < len(definitions.campaigns)
    with (root / definitions.channels["fax"].path).open("a") as file:
        file.write("# of no meaning, and nobody can know\n")
    check_messages(load(root))
    assert set(seen) == by_fax


def test_what_no_longer_holds_leaves_when_there_is_much(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    definitions = load(root)
    check_messages(definitions)
    every = len(json.loads((root / FILE).read_text()))
    monkeypatch.setattr(remembered, "_MOST", every + 1)
    for n in range(3):
        with (root / "config" / "policies.yaml").open("a") as file:
            file.write(f"# {n}\n")
        check_messages(load(root))
        assert len(json.loads((root / FILE).read_text())) == every + 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"a": [["TPL12"]]}'])
def test_a_damaged_memory_only_costs_time(root: Path, content: str) -> None:
    expected = check_messages(load(root))
    keys = json.loads((root / FILE).read_text())
    (root / FILE).write_text(content.replace("a", next(iter(keys))) if '"a"' in content else content)
    assert check_messages(load(root)) == expected


def test_the_modules_that_render_are_not_loaded_the_second_time(root: Path) -> None:
    check_messages(load(root))
    script = (
        "import sys\nfrom pathlib import Path\nfrom tidings.definitions.loader import load\n"
        "from tidings.templates.checking import check_messages\n"
        f"check_messages(load(Path({str(root)!r})))\n"
        "heavy = {'jinja2', 'babel', 'numpy', 'blitz_py', 'css_inline', 'mrml', 'PIL'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
