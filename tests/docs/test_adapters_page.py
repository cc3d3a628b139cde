"""docs/reference/adapters.md names every adapter and every option; a new one without words would be seen here."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import pytest

from support.documents import DOCS
from tidings.channels.protocol import Capabilities, Option
from tidings.channels.registry import BUILT_IN, adapter_class
from tidings.cli import adapter_pages
from tidings.definitions.kinds.channel import Channel

PAGE = DOCS / "reference" / "adapters.md"


def section(text: str, name: str) -> str:
    found = re.search(rf"(?ms)^## {name}\n(.*?)(?=^## |\Z)", text)
    assert found, f"{name} has no section"
    return found[1]


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_option_of_an_adapter_stands_on_the_page(name: str) -> None:
    found = adapter_class(name)
    assert found is not None
    said = section(PAGE.read_text(encoding="utf-8"), name)
    for option in found.options:
        assert option.sentence.strip(), f"{name}.{option.name} says nothing"
        (row,) = (line for line in said.splitlines() if line.startswith(f"| `{option.name}`"))
        assert option.sentence.replace("|", "\\|") in row
        assert ("(secret)" in row) == option.secret
        if option.required:
            assert "| needed |" in row


def test_what_an_adapter_carries_is_right() -> None:
    text = PAGE.read_text(encoding="utf-8")
    carried = {name: re.search(r"\| carries \| (.*?) \|", section(text, name)) for name in BUILT_IN}
    assert {name: found and found[1] for name, found in carried.items()} == {
        "hylafax": "fax",
        "outbox": "email, sms, fax",
        "sendgrid": "email",
        "smpp": "sms",
        "smtp": "email",
        "t30": "fax",
        "twilio": "sms",
    }


class Pigeon:
    """Carries texts on foot."""

    name: ClassVar[str] = "pigeon"
    options: ClassVar[tuple[Option, ...]] = (Option("loft", "text", "where it starts", required=True),)

    def __init__(self, channel: Channel, values: dict[str, Any]) -> None:
        self.capabilities = Capabilities(kind="email")


def test_a_new_adapter_would_be_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILT_IN, "pigeon", f"{__name__}:Pigeon")
    written = adapter_pages.page()
    assert "| `loft` | a text | needed | where it starts |" in section(written, "pigeon")
    assert PAGE.read_text(encoding="utf-8") != written
    monkeypatch.undo()
    assert PAGE.read_text(encoding="utf-8") == adapter_pages.page()
