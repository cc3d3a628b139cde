"""What is measured beside ours stays outside: no import, no requirement, no line of the product's lock."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OTHER = "channelattribution"
READER = ROOT / "benchmarks" / "channel_attribution.py"
OURS = [
    *sorted((ROOT / "src").rglob("*.py")),
    *sorted((ROOT / "tests").rglob("*.py")),
    *sorted((ROOT / "benchmarks").glob("*.py")),
]


def imported(text: str) -> set[str]:
    """Return the packages that a module names in import statements, or as the text that a call gets."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Call):
            found |= {
                one.value for one in node.args if isinstance(one, ast.Constant) and type(one.value) is str
            }
    return {one.split(".")[0].lower() for one in found}


def test_nothing_but_the_script_of_the_comparison_imports_channel_attribution() -> None:
    assert [
        path for path in OURS if OTHER in (text := path.read_text()).lower() and OTHER in imported(text)
    ] == [READER]


@pytest.mark.parametrize(
    "text",
    [
        "import ChannelAttribution as c",
        "from ChannelAttribution._core import x",
        "load('ChannelAttribution')",
    ],
)
def test_an_import_is_found_however_it_is_written(text: str) -> None:
    assert OTHER in imported(text)


def test_no_requirement_that_is_installed_or_published_names_it() -> None:
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = said["project"]
    published = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    assert not [one for one in published if OTHER in one.lower()]
    assert OTHER not in (ROOT / "requirements.lock").read_text().lower()
    assert [one for one in said["dependency-groups"]["bench"] if one.startswith(f"{OTHER}==")]


def test_its_own_lock_pins_the_version_of_the_group_by_hash() -> None:
    lock = (ROOT / "requirements-bench.lock").read_text()
    group = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["bench"]
    (asked,) = [one for one in group if one.startswith(OTHER)]
    assert re.search(rf"^{re.escape(asked)} \\\n    --hash=sha256:[0-9a-f]{{64}}$", lock, re.MULTILINE)
    assert "://" not in lock
    # Both sides count with the same numpy.
    numpy = re.findall(r"^numpy==\S+", lock, re.MULTILINE)
    assert numpy == re.findall(r"^numpy==\S+", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
