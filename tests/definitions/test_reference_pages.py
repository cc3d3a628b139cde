"""docs/reference/ says what the engine does now: written from the same tables, and current."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tidings.cli.code_pages import PROBLEMS
from tidings.cli.docs import reference_pages
from tidings.definitions.reference import schemas

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return reference_pages()


def test_the_pages_are_current(written: dict[str, str]) -> None:
    stale = [
        name
        for name, text in written.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text() != text
    ]
    assert stale == [], "run: tidings docs --write docs/reference"
    kept = {
        path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.suffix in (".md", ".json")
    }
    assert kept == set(written)


def test_every_code_has_its_place_and_real_output(written: dict[str, str]) -> None:
    text = written["codes.md"]
    for code in PROBLEMS.values():
        assert f"## {code.code} · {code.title}" in text
        if code.example and code.code != "FIL10":
            assert f"[{code.code}]" in text


def test_every_command_is_described(written: dict[str, str]) -> None:
    from tidings.cli.main import COMMANDS

    for name in COMMANDS:
        assert f"## tidings {name}\n" in written["commands.md"]


def test_the_schemas_refuse_unknown_keys_and_know_the_needed_ones() -> None:
    found = schemas()
    assert found["campaign"]["additionalProperties"] is False
    assert found["campaign"]["required"] == ["campaign", "to", "send", "via"]
    assert found["segment"]["properties"]["members"]["enum"] == ["rules", "listed"]
    assert len(found["import"]["oneOf"]) == 8
    json.dumps(found)
