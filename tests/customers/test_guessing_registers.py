"""A list of numbers not to call is never guessed to be a list of customers."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.import_world import DEFINITIONS
from tidings.customers.guessing import guess
from tidings.customers.mapping_text import mapping_text
from tidings.definitions.kinds.importing import NumbersImport
from tidings.definitions.loader import load, load_import

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("telephone\n+46701740602\n0701740603\n070-174 06 04\n", "telephone"),
        ("Nummer;Datum\n0701740602;2026-11-01\n0701740603;2026-11-02\n", "Nummer"),
        ("Phone,Country\n+46701740602,SE\n+46701740603,SE\n", "Phone"),
        ("list\n+1 415 555 0100\n+1 415 555 0101\n", "list"),
        ("號碼\n0912345678\n0922345678\n", "號碼"),
    ],
)
def test_numbers_alone_are_a_register(tmp_path: Path, text: str, column: str) -> None:
    path = tmp_path / "nix.csv"
    path.write_text(text, encoding="utf-8")
    found = guess(path, DEFINITIONS.attributes, DEFINITIONS.events)
    assert (found.kind, found.key) == ("do_not_call", column)


@pytest.mark.parametrize(
    "text",
    [
        "phone,name\n+46701740602,Anna\n",
        "phone,newsletter_optin\n+46701740602,1\n",
        "customer_id,phone\nC-1,+46701740602\n",
        "phone,contact\n+46701740602,anna@example.com\n",
        "phone,mobile\n+46701740602,+46701740603\n",
        "customer_id\n4711001\n4711002\n",
        "phone\nunknown\n+46701740602\n",
    ],
)
def test_what_tells_whose_a_number_is_stays_a_list_of_customers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text(text, encoding="utf-8")
    assert guess(path, DEFINITIONS.attributes, DEFINITIONS.events).kind == "customers"


def test_the_mapping_of_a_register_is_one_that_tidings_takes(tmp_path: Path) -> None:
    path, definitions = tmp_path / "nix.csv", load(ROOT)
    path.write_text("Nummer;Datum\n0701740602;2026-11-01\n", encoding="utf-8")
    text = mapping_text(
        guess(path, definitions.attributes, definitions.events), definitions, title="Register"
    )
    assert "# not read: Datum (2026-11-01)" in text and "attributes.yaml" not in text
    (tmp_path / "nix.yaml").write_text(text, encoding="utf-8")
    mapping = load_import(tmp_path / "nix.yaml", definitions)
    assert isinstance(mapping, NumbersImport)
    assert (mapping.number.name, mapping.country) == ("Nummer", definitions.workspace.country)
