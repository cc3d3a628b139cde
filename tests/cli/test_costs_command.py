"""`tidings import` of costs and `tidings costs`, as a person meets them; the how-to shows the very same words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cost_files import yandex_file, yandex_row
from support.documents import DOCS, blocks
from support.shop import copy_workspace
from tidings.cli.main import execute

PAGE = DOCS / "how-to" / "import-ad-costs.md"
MARCH = [
    yandex_row("02.03.2027", "весна_сад_поиск", 4120, 96, "183,00"),
    yandex_row("02.03.2027", "бренд", 310, 22, "24,40"),
    yandex_row("03.03.2027", "весна_сад_рся", 19300, 88, "1\xa0037,00"),
    yandex_row("03.03.2027", "инструменты", 2380, 54, "109,81"),
]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = copy_workspace(tmp_path / "shop")
    mapping = next(one.text for one in blocks(PAGE) if one.language == "yaml" and "kind: costs" in one.text)
    (root / "config/imports/yandex_costs.yaml").write_text(mapping, encoding="utf-8")
    yandex_file(root / "march.csv", MARCH)
    monkeypatch.chdir(root)
    yield root


def shown(command: str) -> str:
    """What the page says that a command prints."""
    text = next(one.text for one in blocks(PAGE) if one.text.startswith(f"$ {command}"))
    return text.partition("\n")[2]


def words(text: str) -> list[str]:
    return re.sub(r"\s+", " ", text).split()


def test_the_how_to_shows_what_is_printed(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["import", "march.csv", "--as", "yandex_costs"]) == 0
    assert words(capsys.readouterr().out) == words(shown("tidings import"))
    assert execute(["costs", "--from", "2027-03-01", "--to", "2027-03-31"]) == 0
    assert words(capsys.readouterr().out) == words(shown("tidings costs"))


def test_a_corrected_export_says_how_many_days_it_replaced_and_what_changed(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(["import", "march.csv", "--as", "yandex_costs"])
    rows = [yandex_row("03.03.2027", "весна_сад_рся", 1, 1, "1\xa0220,00")]
    yandex_file(workspace / "again.csv", rows)
    capsys.readouterr()
    assert execute(["import", "again.csv", "--as", "yandex_costs"]) == 0
    told = capsys.readouterr().out
    assert "1 day was known before and took the place of what was there: 59.99 RUB more than before." in told
    assert execute(["costs", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["total"], data["unmatched"]) == ({"RUB": 1170.0}, {"RUB": 20.0})
    assert sum(one["amount"] for one in data["lines"]) == pytest.approx(1170)
    # As everywhere in data: major units, so that a click costs what the invoice says.
    assert data["lines"][0]["cpc"] == pytest.approx(
        data["lines"][0]["amount"] / data["lines"][0]["clicks"], abs=1e-4
    )
    assert execute(["import", "again.csv", "--as", "yandex_costs", "--again", "--json"]) == 0
    costs = json.loads(capsys.readouterr().out)["costs"]
    assert (costs["net"], costs["before"], costs["after"]) == (1000.0, {"RUB": 1000.0}, 1000.0)


def test_sums_that_differ_end_the_import_with_both(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    yandex_file(workspace / "march.csv", MARCH, "1\xa0000,00")
    assert execute(["import", "march.csv", "--as", "yandex_costs"]) == 1
    told = words(capsys.readouterr().err)
    assert "1,000" in told
    assert any("1,354.21" in word for word in told)
    assert execute(["costs"]) == 0
    assert "No costs are known" in capsys.readouterr().out


@pytest.mark.parametrize("days", [["--from", "March"], ["--from", "2027-03-02", "--to", "2027-03-01"]])
def test_days_that_are_none_are_refused(
    workspace: Path, capsys: pytest.CaptureFixture[str], days: list[str]
) -> None:
    assert execute(["costs", *days]) == 2
    assert "--from" in capsys.readouterr().err


def test_the_examples_of_the_workspace_are_taken(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("yandex_costs", "ad_touches", "products", "stock"):
        source = DOCS.parent / "config" / "imports"
        for file in (f"{name}.yaml", f"example_{name}.csv"):
            (workspace / "config/imports" / file).write_bytes((source / file).read_bytes())
        assert execute(["import", f"config/imports/example_{name}.csv", "--as", name]) == 0, name
    told = capsys.readouterr().out
    assert "of nobody known yet: kept, and looked for again" in told
    assert "products new" in told
