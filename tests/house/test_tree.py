"""House rules that a linter does not know: module sizes, banned calls, the lock, links, no machine paths."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from house.banned_calls import banned

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "tidings").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
EVERYWHERE = [*SOURCES, *TESTS, *sorted((ROOT / "benchmarks").rglob("*.py"))]
UNFINISHED = re.compile("TODO|FIXME|XXX|NotImplementedError|placeholder")
OF_A_MACHINE = ["/" + "work/", "/" + "root/", "/home/", "bash_" + "jobs", "pypi.org", "npmjs", "pythonhosted"]


# Each rule is one test over all files: a test for each file of each rule would be a third of the suite.
def _breaking(files: Iterable[Path], breaks: Callable[[str], object]) -> dict[str, object]:
    """Return what breaks a rule, by file."""
    found = {str(path.relative_to(ROOT)): breaks(path.read_text()) for path in files}
    return {name: what for name, what in found.items() if what}


def test_no_module_is_over_the_ceiling() -> None:
    assert len(EVERYWHERE) > 1_000
    assert _breaking(EVERYWHERE, lambda text: max(len(text.splitlines()) - 400, 0)) == {}


def test_the_median_module_is_small() -> None:
    assert statistics.median(len(path.read_text().splitlines()) for path in SOURCES) <= 180


def test_banned_calls() -> None:
    the_clock = ROOT / "src" / "tidings" / "clock.py"
    others = [path for path in SOURCES if path != the_clock]
    assert len(others) == len(SOURCES) - 1
    assert _breaking(others, banned) == {}
    assert banned(the_clock.read_text(), may_ask_the_time=True) == []


def test_no_test_skips_by_itself() -> None:
    """What the machine lacks goes through `missing`, which TIDINGS_REQUIRE_ALL=1 turns into a failure."""
    through = ROOT / "tests" / "support" / "components.py"
    assert _breaking([path for path in TESTS if path != through], _skips) == {}


def _skips(text: str) -> list[str]:
    if not re.search("skip|xfail", text):
        return []
    tree = ast.parse(text)
    marks = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    calls = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [one for one in marks if re.fullmatch(r"pytest\.mark\.(skip|skipif|xfail)", one)]
    found += [one for one in calls if re.match(r"pytest\.(skip|importorskip|xfail)\(", one)]
    return [one for one in found if "TIDINGS_REFERENCE_DATA does not name" not in one]


def test_what_reads_public_data_is_marked_so_and_left_out_of_the_suite() -> None:
    wrong = []
    for path in TESTS:
        if not path.name.startswith("test_"):
            continue
        text = path.read_text()
        reads = path.parent.name == "reference_data" or "TIDINGS_REFERENCE_DATA does not name" in text
        if path != Path(__file__) and reads != ("pytest.mark.public" in text):
            wrong.append(path.name)
    assert wrong == []


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


def test_nothing_is_left_unfinished() -> None:
    assert _breaking(SOURCES, lambda text: [one for one in text.splitlines() if UNFINISHED.search(one)]) == {}


def test_every_module_says_what_it_is() -> None:
    assert _breaking(SOURCES, lambda text: not ast.get_docstring(ast.parse(text))) == {}


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
