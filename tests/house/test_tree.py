"""House rules that a linter does not know: module sizes, banned calls, the lock, links, no machine paths."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from pathlib import Path

import pytest

from house.banned_calls import banned

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "tidings").rglob("*.py"))
EVERYWHERE = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]
UNFINISHED = re.compile("TODO|FIXME|XXX|NotImplementedError|placeholder")
OF_A_MACHINE = ["/" + "work/", "/" + "root/", "/home/", "bash_" + "jobs", "pypi.org", "npmjs", "pythonhosted"]


@pytest.mark.parametrize("path", EVERYWHERE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_over_the_ceiling(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_the_median_module_is_small() -> None:
    assert statistics.median(len(path.read_text().splitlines()) for path in SOURCES) <= 180


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_banned_calls(path: Path) -> None:
    is_clock = path == ROOT / "src" / "tidings" / "clock.py"
    assert banned(path.read_text(), may_ask_the_time=is_clock) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_test_skips_by_itself(path: Path) -> None:
    """What the machine lacks goes through `missing`, which TIDINGS_REQUIRE_ALL=1 turns into a failure."""
    if path == ROOT / "tests" / "support" / "components.py":
        return
    tree = ast.parse(path.read_text())
    marks = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    calls = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [one for one in marks if re.fullmatch(r"pytest\.mark\.(skip|skipif|xfail)", one)]
    found += [one for one in calls if re.match(r"pytest\.(skip|importorskip|xfail)\(", one)]
    assert [one for one in found if "TIDINGS_REFERENCE_DATA does not name" not in one] == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda path: path.stem)
def test_what_reads_public_data_is_marked_so_and_left_out_of_the_suite(path: Path) -> None:
    if path == Path(__file__):
        return
    text = path.read_text()
    reads = path.parent.name == "reference_data" or "TIDINGS_REFERENCE_DATA does not name" in text
    assert reads == ("pytest.mark.public" in text)


def test_no_drawer_modules() -> None:
    assert not [
        path for path in EVERYWHERE if path.stem in {"utils", "util", "helpers", "helper", "common", "misc"}
    ]


def test_the_lock_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--hash=sha256:" in lock
    assert not (ROOT / "uv.lock").exists() or "uv.lock" in (ROOT / ".gitignore").read_text()


def test_the_required_packages_are_dependencies() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for name in ("prefect", "jinja2", "sendgrid", "scikit-learn", "sqlalchemy", "apscheduler"):
        assert re.search(rf'^  "{name}[><=]', text, re.MULTILINE), name


def test_every_dependency_line_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"dependencies = \[\n(.*?)\n\]", text, re.DOTALL)
    assert block
    for line in block.group(1).splitlines():
        assert "# " in line, line


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_left_unfinished(path: Path) -> None:
    found = [line for line in path.read_text().splitlines() if UNFINISHED.search(line)]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def _kept() -> list[Path]:
    """Return the files that git keeps; without git, those that a source distribution has."""
    try:
        listed = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True, text=True
        ).stdout.split("\0")
        found = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        folders = [
            "src",
            "tests",
            "docs",
            "benchmarks",
            "config",
            "segments",
            "campaigns",
            "templates",
            "channels",
        ]
        found = [path for folder in folders for path in (ROOT / folder).rglob("*")]
        found += list(ROOT.glob("*.*"))
    # This file spells out what is looked for.
    return [path for path in found if path.is_file() and path != Path(__file__).resolve()]


def test_no_file_names_a_machine_or_a_registry() -> None:
    kept = _kept()
    assert len(kept) > 200
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in kept
        for word in OF_A_MACHINE
        if word in path.read_text(errors="replace")
    ]
    assert found == []


def test_every_link_between_our_pages_leads_somewhere() -> None:
    pages = [path for path in _kept() if path.suffix == ".md"]
    assert ROOT / "README.md" in pages
    broken = []
    for page in pages:
        # What stands in a code block is no link.
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            file, _, place = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            aim = page.parent / file if file else page
            if not aim.exists() or (place and aim.is_file() and place not in _places(aim)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def _places(page: Path) -> set[str]:
    """Return the anchors that a page's headings make."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
