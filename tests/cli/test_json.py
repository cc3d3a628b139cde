"""The keys that programs read from `--json`: they stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.command_line import Said, Shop

Run = Callable[..., Said]
PREVIEW = (
    "bytes campaign customer fell_back files gaps legs links locale plan preheader "
    "refused_when_unknown subject text to unworded variant warnings"
)


def keys_of(data: Any) -> list[str]:
    return sorted(data[0] if isinstance(data, list) else data)


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ("check", "errors files languages problems warnings"),
        ("segment", "as_of changed_since count members segment title"),
        ("segment lapsed_buyers", "as_of count customers ranked sample segment title unknown"),
        ("plan", "campaign state title"),
        ("run spring_winback", "already campaign messages occurrence pause_reason state"),
        ("verify", "audit_rows broken checks holds paused_channels runs"),
        ("migrate", "attributes backup done environment new problems schema store"),
        (
            "preview spring_winback --customer C-1",
            PREVIEW,
        ),
    ],
)
def test_the_keys_of(sent_shop: Shop, run: Run, arguments: str, keys: str) -> None:
    said = run(sent_shop, *arguments.split(), "--json")
    assert said.code == 0, said
    assert keys_of(said.data) == keys.split()


def test_the_keys_of_a_plan_and_a_report_hold_what_scripts_ask_for(sent_shop: Shop, run: Run) -> None:
    plan = run(sent_shop, "plan", "spring_winback", "--json").data
    assert {"hash", "campaign", "audience", "refusals", "people", "arms", "holdout", "power", "cost"} <= set(
        plan
    ), sorted(plan)
    report = run(sent_shop, "report", "spring_winback", "--json").data
    assert {"campaign", "as_of", "arms", "effects", "funnel", "refusals"} <= set(report), sorted(report)


def test_the_keys_of_an_import(shop: Shop, run: Run) -> None:
    data = run(shop, "import", "customers.csv", "--as", "customers", "--again", "--json").data
    assert {"rows", "created", "updated", "unchanged", "rejected", "skipped"} <= set(data), sorted(data)


def test_with_json_nothing_else_is_on_the_output(shop: Shop) -> None:
    said = shop.apart.run("run", "spring_winback", "--yes", "--json")
    assert said.data["state"] == "finished"
