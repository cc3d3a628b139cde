"""Offers from the command line: pools, a plan that says what is missing, codes in the messages, what came back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.workspaces import small_workspace
from tidings.cli.main import execute
from tidings.cli.session import open_session
from tidings.clock import to_micros
from tidings.store.tables import money, people, sending

LETTER = "campaign: Letter\npurpose: service\nto: everybody\nsend: welcome\nvia: email\nholdout: none\n"
FILES: dict[str, str | bytes | None] = {
    "campaigns/spring.yaml": LETTER
    + "offer:\n  gives: 25% off\n  codes: one each from spring25\n  ends: 14 days after sending\n",
    "campaigns/spades.yaml": LETTER
    + "offer:\n  gives: a spade\n  stop_when: stock below 5\n  product: S-1\n",
    "channels/email.yaml": "channel: E-mail\nadapter: outbox\nkind: email\nsender: hello@shop.example\n",
    "templates/welcome/email.en.txt": "Subject: {{ offer.gives }}\n\n"
    "{{ offer.gives }}{% if offer.code is known %} with {{ offer.code }}{% endif %}\n",
    "flows/care.yaml": "flow: Care\npurpose: service\nstarts: {did: order_placed}\nsteps:\n"
    "  coupon:\n    send: coupon\n    via: email\n    offer:\n      gives: 5% off\n      codes: one each from basket5\n"
    "      at_most: 1 each per 90 days\n",
    "templates/coupon/email.en.txt": "Subject: {{ offer }}\n\n{{ code }} is {{ offer.code }}\n",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with three customers and a store."""
    files = {**FILES}
    files["templates/welcome/email.en.txt"] = (
        "Subject: {{ offer.gives }}\n\n{{ offer.gives }} with {{ offer.code }} until {{ offer.ends }}\n"
    )
    del files["campaigns/spades.yaml"]
    root = small_workspace(tmp_path, files)
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    monkeypatch.delenv("TIDINGS_STORE", raising=False)
    assert execute(["migrate", "--yes"]) == 0
    with open_session() as session, session.store.durable("test") as connection:
        connection.execute(
            people.customers.insert(),
            [
                {
                    "key": f"c{n}", "u": n, "email": f"c{n}@customer.example", "email_hash": f"h{n}",
                    "created_at": to_micros(session.clock.now()),
                }
                for n in range(3)
            ],
        )  # fmt: skip
    return root


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run a command and return what it printed."""
    capsys.readouterr()
    assert execute(list(words)) == code, capsys.readouterr()
    told = capsys.readouterr()
    return told.out + told.err


def test_a_pool_that_is_too_small_is_told_with_its_place_and_nothing_is_approved(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "codes").startswith("There are no codes.")
    assert (
        said(capsys, "codes", "make", "spring25", "2", "--prefix", "SPRING-")
        == "2 codes were added to spring25.\n"
    )
    told = said(capsys, "plan", "spring", code=3)
    assert (
        "campaigns/spring.yaml:9:10: the pool spring25 has 2 free codes, and 3 messages need one each  [OFR01]"
        in told
    )
    assert "tidings codes make spring25 1" in told and "It cannot be approved like this." in told
    (problem,) = json.loads(said(capsys, "plan", "spring", "--json", code=3))["problems"]
    assert (problem["code"], problem["path"], problem["line"]) == ("OFR01", "campaigns/spring.yaml", 9)
    refused = said(capsys, "run", "spring", "--yes", code=3)
    assert "campaigns/spring.yaml:9:10: the pool spring25 has 2 free codes" in refused
    with open_session() as session, session.store.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(sending.runs)).scalar_one() == 0


def test_everybody_reads_a_code_of_their_own_and_it_is_counted_when_it_comes_back(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "codes", "make", "spring25", "3")
    (root / "more.txt").write_text("\ufeffHELLO-1\nHELLO-2\n\n", encoding="utf-8")
    done = json.loads(said(capsys, "codes", "import", "spring25", str(root / "more.txt"), "--json"))
    assert done == {"pool": "spring25", "added": 2, "known": 0}
    assert "K7QM2XW4" in said(capsys, "preview", "spring", "--customer", "c1", "--text")
    said(capsys, "plan", "spring")
    said(capsys, "run", "spring", "--yes")
    letters = [path.read_text() for path in root.rglob("*.eml")]
    with open_session() as session, session.store.read() as connection:
        codes = list(
            connection.execute(
                sa.select(money.codes.c.code).where(money.codes.c.state == "reserved")
            ).scalars()
        )
    assert len(letters) == len(codes) == 3
    assert all(sum(code in letter for letter in letters) == 1 for code in codes)
    (pool,) = json.loads(said(capsys, "codes", "--json"))
    assert pool == {"pool": "spring25", "free": 2, "reserved": 3, "redeemed": 0, "withdrawn": 0}
    assert said(capsys, "codes", "withdraw", "spring25") == "2 codes of spring25 are withdrawn.\n"
    assert "spring25" in said(capsys, "codes")


def test_a_flow_whose_pool_is_empty_does_not_go_live(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, "plan", "care", code=3)
    assert "flows/care.yaml:10:14: the pool basket5 has no free codes" in told
    assert "the pool basket5 has no free codes" in said(capsys, "run", "care", "--yes", code=3)
    said(capsys, "codes", "make", "basket5", "10")
    said(capsys, "run", "care", "--yes")


def test_a_product_without_stock_is_told_before_anything_is_sent(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "campaigns/spades.yaml").write_text(str(FILES["campaigns/spades.yaml"]))
    (root / "templates/spade").mkdir()
    (root / "templates/spade/email.en.txt").write_text("Subject: A spade\n\n{{ offer.gives }}\n")
    text = (root / "campaigns/spades.yaml").read_text().replace("send: welcome", "send: spade")
    (root / "campaigns/spades.yaml").write_text(text)
    assert 'there is no product "S-1" in the store' in said(capsys, "plan", "spades", code=3)
    with open_session() as session, session.store.durable("test") as connection:
        connection.execute(money.products.insert().values(item="S-1", name="Spade", stock=4, updated_at=0))
    assert "the stock is 4, below 5: nobody would get the offer" in said(capsys, "plan", "spades", code=3)
    with open_session() as session, session.store.durable("test") as connection:
        connection.execute(sa.update(money.products).values(stock=5))
    said(capsys, "run", "spades", "--yes")


def test_a_message_that_does_not_show_its_code_is_told_at_the_pool(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "templates/welcome/email.en.txt").write_text("Subject: Hello\n\nHello\n")
    told = said(capsys, "check")
    assert (
        "campaigns/spring.yaml:9:10: the e-mail in en does not show the code that it gives (warning)  [TPL41]"
        in told
    )


def test_a_name_that_the_offer_has_not_is_an_error_that_says_what_there_is(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "templates/welcome/email.en.txt").write_text("Subject: Hello\n\n{{ offer.cod }}\n")
    assert "there is offer.gives, offer.code, offer.ends" in said(capsys, "check", code=1)


def test_codes_for_a_pool_that_no_offer_names_are_made_and_told(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(capsys, "codes", "make", "spring_25", "2")
    assert told.startswith("2 codes were added to spring_25.\n")
    assert "note: no offer takes codes from spring_25 yet" in told
    assert "did you mean spring25? `tidings codes withdraw spring_25` takes these back" in told
    own = root / "own.txt"
    own.write_text("HALLO-1\n")
    assert "from autumn yet (codes: one each from autumn)\n" in said(
        capsys, "codes", "import", "autumn", str(own)
    )
    # A step of a flow names one as well as a campaign does; and what reads the answer is not disturbed.
    assert "note" not in said(capsys, "codes", "make", "basket5", "1")
    capsys.readouterr()
    assert execute(["codes", "make", "autumn", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"pool": "autumn", "added": 1, "known": 0}
