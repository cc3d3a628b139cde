"""The pages in docs/: what they show in YAML loads, where they point exists, and every command is told of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from support.documents import DOCS, Block, blocks
from support.shop import copy_workspace
from tidings.channels.checking import check_channels
from tidings.channels.registry import BUILT_IN
from tidings.cli.main import COMMANDS
from tidings.config.starter import FOLDERS as WORKSPACE_FOLDERS
from tidings.definitions.loader import check

PAGES = sorted(DOCS.rglob("*.md"))
SHOWN = [
    pytest.param(page, block, id=f"{page.relative_to(DOCS)}:{block.line}")
    for page in PAGES
    for block in blocks(page)
    if block.language in ("yaml", "yml")
]
FOLDERS = {
    "segment": "segments/shown.yaml",
    "campaign": "campaigns/shown.yaml",
    "channel": "channels/shown.yaml",
    "import": "config/imports/shown.yaml",
    "workspace": "config/workspace.yaml",
    "policies": "config/policies.yaml",
    "attributes": "config/attributes.yaml",
    "events": "config/events.yaml",
    "flow": "flows/shown.yaml",
    "staff": "config/staff.yaml",
    "holidays": "config/holidays.yaml",
    "goals": "config/goals.yaml",
    "attribution": "config/attribution.yaml",
    "scores": "config/scores.yaml",
}


@pytest.mark.parametrize(("page", "block"), SHOWN)
def test_yaml_that_a_page_shows_loads(page: Path, block: Block, tmp_path: Path) -> None:
    kind = next(iter(yaml.safe_load(block.text)))
    assert kind in FOLDERS, f"line {block.line} shows a piece of no kind"
    root = copy_workspace(tmp_path)
    # A definition may name what the same page defines.
    for other in blocks(page):
        if other.file is not None and (other.language == "text" or other is block or _is_segment(other)):
            target = root / other.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(other.text, encoding="utf-8")
    path = block.file or FOLDERS[kind]
    (root / path).write_text(block.text, encoding="utf-8")
    _, problems = check(root)
    assert [problem.render() for problem in problems if problem.at.path == path] == []


def _is_segment(block: Block) -> bool:
    return block.file is not None and block.file.startswith("segments/")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_page_points_only_to_what_exists(page: Path) -> None:
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_commands_named_in_the_pages_exist() -> None:
    for page in PAGES:
        for name in re.findall(r"`tidings ([a-z][a-z-]*)", page.read_text(encoding="utf-8")):
            assert name in COMMANDS, f"{page.name} names `tidings {name}`"


def test_the_tutorial_and_the_how_tos_name_every_command_a_marketer_needs() -> None:
    told = "".join(page.read_text(encoding="utf-8") for page in PAGES if "reference" not in page.parts)
    missing = [name for name in COMMANDS if f"tidings {name}" not in told and name != "docs"]
    assert missing == []


@pytest.mark.parametrize(
    ("page", "block"),
    [
        one
        for one in SHOWN
        if (found := re.search(r"(?m)^adapter: (\w+)", one.values[1].text)) and found[1] in BUILT_IN
    ],
)
def test_a_channel_that_a_page_shows_has_the_options_of_its_adapter(
    page: Path, block: Block, tmp_path: Path
) -> None:
    root = copy_workspace(tmp_path)
    path = block.file or FOLDERS["channel"]
    (root / path).write_text(block.text, encoding="utf-8")
    definitions, _ = check(root)
    assert definitions is not None
    assert [problem.render() for problem in check_channels(definitions) if problem.at.path == path] == []


def test_the_index_of_the_documentation_leads_to_every_page() -> None:
    index = DOCS / "README.md"
    led = {
        (DOCS / target).resolve()
        for target in re.findall(r"\]\(([^)\s#]+)", index.read_text(encoding="utf-8"))
    }
    for page in PAGES:
        folders = {page.parent.resolve(), page.resolve()}
        if page != index and page.parent.name != "decisions" and page.name != "README.md":
            assert page.resolve() in led, f"docs/README.md does not name {page.relative_to(DOCS)}"
        else:
            assert page == index or page.name == "README.md" or folders & led


@pytest.mark.parametrize("readme", sorted(DOCS.parent.glob("*/README.md")), ids=lambda path: path.parent.name)
def test_a_page_of_a_workspace_points_only_into_the_workspace(readme: Path) -> None:
    if readme.parent.name not in WORKSPACE_FOLDERS:
        return
    for target in re.findall(r"\]\(([^)\s#]+)", readme.read_text(encoding="utf-8")):
        assert "://" in target or (readme.parent / target).exists(), target
        if "://" not in target:
            inside = (readme.parent / target).resolve().relative_to(DOCS.parent).parts[0]
            assert inside in WORKSPACE_FOLDERS, f"{readme} points to {target}, which init does not copy"
