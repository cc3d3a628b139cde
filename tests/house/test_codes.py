"""Codes of refusals and errors stand in one registry each, with words, and nothing carries one that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from tidings.cli.code_pages import pages
from tidings.cli.error_codes import ERRORS
from tidings.customers import permission, reach
from tidings.customers.refusals import REFUSALS, they
from tidings.customers.suppression import REASONS
from tidings.definitions.rule_packs import PACKS
from tidings.delivery.patience import PASSING

SOURCES = Path(__file__).resolve().parents[2] / "src" / "tidings"
# What else stands in the SQL of the gate: states of a consent, the verdict "go", a constant.
_NO_REFUSALS = {"ok", "granted", "pending", "withdrawn", "suppressed_", "1"}


def _refusal_literals() -> set[str]:
    """Return every refusal code that is written in the sources as one."""
    found = {f"suppressed_{reason}" for reason in REASONS}
    for path in SOURCES.rglob("*.py"):
        text = path.read_text()
        found |= set(re.findall(r'\bRefusal\(\s*"(\w+)"', text))
        found |= set(re.findall(r'\brefusal_code\s*(?:=|==|:)\s*"(\w+)"', text))
        if path.parent.name in ("campaigns", "delivery"):
            found |= set(re.findall(r'\bcode="(\w+)"', text))
    for path in (SOURCES / "customers" / "permission.py", SOURCES / "delivery" / "gate.py"):
        # "'expired'" is text of the statement.
        found |= set(re.findall(r"\"'(\w+)'\"", path.read_text())) - _NO_REFUSALS
    return found


def _written() -> set[str]:
    """Return every word in quotes of the packages that refuse, the registry itself left out."""
    found: set[str] = {f"suppressed_{reason}" for reason in REASONS}
    # What the packs of countries demand is named by the code of its refusal.
    found |= {one.code for pack in PACKS.values() for one in pack.demands}
    for package in ("customers", "campaigns", "delivery", "flows"):
        for path in (SOURCES / package).rglob("*.py"):
            if path.name not in ("refusals.py", "reach.py"):
                found |= set(re.findall(r"[\"'](\w+)[\"']", path.read_text()))
    return found


def test_every_refusal_in_the_sources_is_registered_and_every_registered_one_can_happen() -> None:
    assert _refusal_literals() <= set(REFUSALS)
    assert set(REFUSALS) <= _written()


def test_every_refusal_says_what_it_means_and_what_to_do_in_a_sentence_each() -> None:
    for one in REFUSALS.values():
        for sentence in (one.means, one.what_to_do):
            assert not sentence[0].islower(), one.code
            assert sentence.endswith("."), one.code
        assert one.of in ("channel", "customer")
        assert one.when


def test_the_refusals_of_the_gate_stand_in_its_order() -> None:
    assert set(permission.CODES) <= set(REFUSALS)
    assert [code for code in REFUSALS if code in permission.CODES] == list(permission.CODES)
    assert set(reach.WORDS) == set(permission.CODES)


def test_every_refusal_says_something_different_of_people() -> None:
    words = [they(code) for code in REFUSALS]
    assert all(words)
    assert len(set(words)) == len(words)
    assert they("a_code_of_next_year") == ""


def test_the_words_about_refusals_stand_in_one_place() -> None:
    # The table of an import names what is missing, by channel ("no fax number"): words of its own.
    homes = {path.name for path in SOURCES.rglob("*.py") if '"unsubscribed_list": "' in path.read_text()}
    # And an explanation names the rule behind each code.
    assert homes <= {"reach.py", "words.py"}


def test_every_error_code_in_the_sources_is_registered_and_every_registered_one_is_raised() -> None:
    used: set[str] = set()
    for path in SOURCES.rglob("*.py"):
        # With a hyphen: outcomes of providers are codes as well, and no errors.
        used |= set(re.findall(r'\bcode="([a-z]+(?:-[a-z]+)+)"', path.read_text()))
    assert used == set(ERRORS)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+", code) for code in ERRORS)
    assert set(PASSING) <= set(ERRORS)


def test_the_pages_list_every_code_once() -> None:
    written = pages()
    assert [written["refusals.md"].count(f"| `{code}` |") for code in REFUSALS] == [1] * len(REFUSALS)
    assert [written["errors.md"].count(f"| `{code}` |") for code in ERRORS] == [1] * len(ERRORS)
