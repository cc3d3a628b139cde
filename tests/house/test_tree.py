"""House rules that a linter does not know: module sizes, banned calls, the lock, no machine paths."""

from __future__ import annotations

import ast
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "tidings").rglob("*.py"))
EVERYWHERE = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]
FORBIDDEN_CALLS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("time", "time"),
    ("date", "today"),
}


@pytest.mark.parametrize("path", EVERYWHERE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_over_the_ceiling(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_the_median_module_is_small() -> None:
    assert statistics.median(len(path.read_text().splitlines()) for path in SOURCES) <= 180


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_banned_calls(path: Path) -> None:
    tree = ast.parse(path.read_text())
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            call = (node.value.id, node.attr)
            if call in FORBIDDEN_CALLS and path.name != "clock.py":
                found.append(f"{node.lineno}: {'.'.join(call)}")
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
        found += [f"{node.lineno}: imports {name}" for name in names if name.split(".")[0] in {"pickle", "joblib", "marshal", "dill", "shelve"}]
    if "CURRENT_TIMESTAMP" in path.read_text():
        found.append("CURRENT_TIMESTAMP")
    assert not found


def test_no_drawer_modules() -> None:
    assert not [path for path in EVERYWHERE if path.stem in {"utils", "util", "helpers", "helper", "common", "misc"}]


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
