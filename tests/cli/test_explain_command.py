"""`tidings explain` in a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.command_line import Said, Shop
from tidings.cli.wrapping import cells

Run = Callable[..., Said]


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("key", ["C-1", "C-2", "C-10", "C-299"])
def test_what_a_marketer_reads_fits_into_the_terminal(
    sent_shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch, columns: int, key: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for words in (("explain", key, "spring_winback"), ("explain", key), ("explain", key, "welcome")):
        said = run(sent_shop, *words)
        assert said.code == 0, said
        assert max(cells(line) for line in said.out.splitlines()) <= columns, words
        assert "None" not in said.out
        assert "on the clock of Europe/Stockholm" in said.out


def test_the_answer_stands_first_and_rules_are_marked(sent_shop: Shop, run: Run) -> None:
    lines = run(sent_shop, "explain", "C-10", "spring_winback").out.splitlines()
    assert lines[0] == "C-10 · Spring win-back (spring_winback)"
    assert lines[1] == "Got nothing: the purpose needs consent, and none is granted."
    assert any(line.startswith("  ✗ consent ") for line in lines)
    assert any(line.startswith("  ✓ address ") for line in lines)


def test_the_last_lines_of_a_time_line_are_enough_when_asked(sent_shop: Shop, run: Run) -> None:
    whole = run(sent_shop, "explain", "C-2", "--json").data["chapters"][-1]["facts"]
    out = run(sent_shop, "explain", "C-2", "--last", "1").out
    assert f"… and {len(whole) - 1} things before" in out


def test_the_keys_of_the_json(sent_shop: Shop, run: Run) -> None:
    data = run(sent_shop, "explain", "C-2", "spring_winback", "--json").data
    assert sorted(data) == ["about", "as_of", "chapters", "clock", "customer", "headline", "kind", "title"]
    fact = data["chapters"][0]["facts"][0]
    assert {"what", "verdict", "at", "text"} <= set(fact)


def test_a_customer_is_found_by_address_and_an_unknown_one_is_one_sentence(sent_shop: Shop, run: Run) -> None:
    assert run(sent_shop, "explain", "c2@customers.example", "--json").data["customer"] == "C-2"
    said = run(sent_shop, "explain", "C-2999")
    assert said.code == 2
    assert said.err.startswith('error: there is no customer "C-2999"\n  did you mean C-299')
    assert run(sent_shop, "explain", "C-2", "spring_winback", "--run", "99").err.startswith(
        "error: spring_winback has no run 99\n"
    )
