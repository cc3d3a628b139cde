"""What is offered by its item: messages name it and its price as the last import told them, and never another currency's."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from support.workspaces import small_workspace
from tidings.cli.main import execute
from tidings.cli.session import open_session
from tidings.clock import to_micros
from tidings.store.tables import money, people, sending

SPADE = (
    "campaign: Spades\npurpose: service\nto: everybody\nsend: spade\nvia: email\nholdout: none\n"
    "offer: {gives: a spade, product: S-1}\n"
)
FILES: dict[str, str | bytes | None] = {
    "campaigns/spades.yaml": SPADE,
    "channels/email.yaml": "channel: E-mail\nadapter: outbox\nkind: email\nsender: hello@shop.example\n",
    "templates/spade/email.en.txt": "Subject: {{ offer.product }}\n\n"
    "{{ offer.product }} for {{ offer.price | money }}\n",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with two customers and a spade of 12.50."""
    root = small_workspace(tmp_path, FILES)
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    monkeypatch.delenv("TIDINGS_STORE", raising=False)
    assert execute(["migrate", "--yes"]) == 0
    with open_session() as session, session.store.durable("test") as connection:
        now = to_micros(session.clock.now())
        connection.execute(
            people.customers.insert(),
            [
                {"key": f"c{n}", "u": n, "email": f"c{n}@customer.example", "email_hash": f"h{n}", "created_at": now}
                for n in range(2)
            ],
        )  # fmt: skip
        connection.execute(
            money.products.insert().values(
                item="S-1", name="Steel spade", price=1_250, currency="EUR", updated_at=now
            )
        )
    return root


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run a command and return what it printed."""
    capsys.readouterr()
    assert execute(list(words)) == code, capsys.readouterr()
    told = capsys.readouterr()
    return told.out + told.err


def test_messages_show_the_name_and_the_price_of_the_import(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "check").strip()
    assert "Steel spade for €12.50" in said(capsys, "preview", "spades", "--customer", "c1", "--text")
    said(capsys, "plan", "spades")
    said(capsys, "run", "spades", "--yes")
    letters = [path.read_text() for path in root.rglob("*.eml")]
    assert len(letters) == 2
    with open_session() as session, session.store.read() as connection:
        kept = list(connection.execute(sa.select(sending.messages.c.variables)).scalars())
    assert {(one["offer_product"], one["offer_price"]) for one in kept} == {("Steel spade", 1_250)}


@pytest.mark.parametrize("values", [{"currency": "SEK"}, {"price": None}])
def test_a_price_that_is_not_known_in_the_currency_printed_is_never_shown(
    root: Path, capsys: pytest.CaptureFixture[str], values: dict[str, object]
) -> None:
    with open_session() as session, session.store.durable("test") as connection:
        connection.execute(sa.update(money.products).values(**values))
    said(capsys, "run", "spades", "--yes")
    assert [path for path in root.rglob("*.eml")] == []
    with open_session() as session, session.store.read() as connection:
        codes = list(connection.execute(sa.select(sending.messages.c.refusal_code)).scalars())
    assert codes == ["render_error"] * 2


def test_other_words_stand_where_no_product_is_known(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "templates/spade/email.en.txt").write_text(
        "Subject: A spade\n\n{% if offer.price is known %}{{ offer.price | money }}{% else %}ask us{% endif %}\n"
    )
    with open_session() as session, session.store.durable("test") as connection:
        connection.execute(sa.delete(money.products))
    assert "ask us" in said(capsys, "preview", "spades", "--customer", "c1", "--text")
    said(capsys, "run", "spades", "--yes")
    letters = [path.read_text() for path in root.rglob("*.eml")]
    assert len(letters) == 2
    assert all("ask us" in letter for letter in letters)


def test_a_price_of_an_offer_without_a_product_is_an_error_that_says_what_there_is(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "campaigns/spades.yaml").write_text(SPADE.replace(", product: S-1", ""))
    told = said(capsys, "check", code=1)
    assert "a value has no .product" in told
    assert "there is offer.gives" in told


def test_a_text_that_shows_its_code_is_priced_by_its_segments(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_text = "campaign: Text\npurpose: service\nto: everybody\nsend: text\nvia: sms\nholdout: none\n"
    (root / "campaigns/text.yaml").write_text(
        by_text + "offer: {gives: a spade, code: SP4DE, product: S-1}\n"
    )
    (root / "channels/sms.yaml").write_text(
        "channel: SMS\nadapter: outbox\nkind: sms\nsender: Shop\ncost: 0.05 EUR per segment\n"
    )
    (root / "templates/text").mkdir()
    long = " ".join(["{{ offer.code }} {{ offer.product }}"] * 12)
    (root / "templates/text/sms.en.txt").write_text(f"{long}\n")
    with open_session() as session, session.store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(phone="+46701234567", phone_hash="p"))
    # Twelve times "SP4DE Steel spade" are 215 signs: two segments.
    assert "of 2 segments each" in said(capsys, "plan", "text")
