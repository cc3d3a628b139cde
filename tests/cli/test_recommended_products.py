"""Products that a customer is recommended: learnt from orders, shown in messages, kept with them, and said why."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from support.workspaces import small_workspace
from tidings.campaigns.bought_together import Learnt
from tidings.cli.main import execute
from tidings.cli.recommend import _when
from tidings.cli.session import open_session
from tidings.clock import to_micros
from tidings.delivery.products_ahead import ProductsAhead
from tidings.store.batches import insert_rows
from tidings.store.tables import money, people, sending

DAY = 86_400_000_000
CAMPAIGN = "campaign: Ideas\npurpose: service\nto: everybody\nsend: ideas\nvia: email\nholdout: none\n"
FILES: dict[str, str | bytes | None] = {
    "config/events.yaml": "events: What customers do\norder_placed:\n  properties: {total: money}\n  revenue: total\n"
    "  returns: order_returned\norder_returned:\n  properties: {total: money}\n  revenue: total\n",
    "campaigns/ideas.yaml": CAMPAIGN,
    "channels/email.yaml": "channel: E-mail\nadapter: outbox\nkind: email\nsender: hello@shop.example\n",
    "templates/ideas/email.en.txt": "Subject: Ideas\n\n"
    "{% for one in recommended %}\n{{ one.name }} for {{ one.price }}"
    "{% if one.because is known %} with your {{ one.because }}{% endif %}\n{% else %}\nNew in the shop\n{% endfor %}\n",
}
# Who bought what: of seven people five bought a rose and shears, c1 the rose alone, c2 nothing that goes with anything.
BOUGHT = {
    1: ["ROSE"],
    2: ["SPADE"],
    **{n: ["ROSE", "SHEARS"] for n in (3, 4, 5, 6, 7)},
    8: ["SHEARS", "GLOVES"],
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with eight customers, their orders and four products."""
    root = small_workspace(tmp_path, FILES)
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    monkeypatch.delenv("TIDINGS_STORE", raising=False)
    assert execute(["migrate", "--yes"]) == 0
    with open_session() as session, session.store.durable("test") as connection:
        now = to_micros(session.clock.now())
        insert_rows(
            connection,
            people.customers,
            [(n, f"c{n}", n, f"c{n}@customer.example", f"h{n}", now) for n in BOUGHT],
            ["id", "key", "u", "email", "email_hash", "created_at"],
        )
        insert_rows(
            connection,
            money.products,
            [(item, item.title(), 1_000, "EUR", now) for item in ("ROSE", "SHEARS", "SPADE", "GLOVES")],
            ["item", "name", "price", "currency", "updated_at"],
        )
        insert_rows(
            connection, people.event_names, [(1, "order_placed"), (2, "order_returned")], ["id", "name"]
        )
        insert_rows(
            connection,
            people.events,
            [(n, 1, n, now - 9 * DAY, now, "shop", f"o{n}", 1_000, "EUR") for n in BOUGHT],
            [
                "id",
                "name_id",
                "customer_id",
                "occurred_at",
                "received_at",
                "source",
                "dedupe_key",
                "amount",
                "currency",
            ],
        )
        lines = [
            (n, place, item, 1, 1_000) for n, items in BOUGHT.items() for place, item in enumerate(items)
        ]
        insert_rows(
            connection, people.event_items, lines, ["event_id", "position", "item", "quantity", "price"]
        )
    return root


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run a command and return what it printed."""
    capsys.readouterr()
    assert execute(list(words)) == code, capsys.readouterr()
    told = capsys.readouterr()
    return told.out + told.err


def products(**values: object) -> None:
    """Change the shears."""
    with open_session() as session, session.store.durable("test") as connection:
        connection.execute(
            sa.update(money.products).where(money.products.c.item == "SHEARS").values(**values)
        )


def test_a_message_shows_what_goes_with_what_the_customer_bought_and_keeps_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "check").strip()
    assert "Pruning shears" in said(capsys, "preview", "ideas", "--customer", "c1", "--text")
    said(capsys, "run", "ideas", "--yes")
    assert len(list(root.rglob("*.eml"))) == len(BOUGHT)
    with open_session() as session, session.store.read() as connection:
        kept = dict(
            connection.execute(sa.select(sending.messages.c.customer_id, sending.messages.c.variables)).all()
        )
    assert kept[1]["recommended"][0] == {"name": "Shears", "price": 1_000, "because": "Rose"}
    assert kept[2]["recommended"][0] == {"name": "Rose", "price": 1_000}
    assert "Shears for €10.00 with your Rose" in said(
        capsys, "preview", "ideas", "--customer", "c1", "--text"
    )


def recommended(capsys: pytest.CaptureFixture[str], customer: str) -> list[str]:
    """Return the items that a customer is recommended."""
    found = json.loads(said(capsys, "recommend", customer, "--json"))
    return [one["item"] for one in found["recommended"]]


def test_the_command_says_why_each_product_is_recommended(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Nothing was learnt" in said(capsys, "recommend")
    assert "Learnt on" in said(capsys, "recommend", "--learn")
    told = said(capsys, "recommend", "c1")
    assert "1. Shears (SHEARS), 10.00 EUR, stock not known" in told
    assert "bought with Rose by 5 people" in told
    assert "ROSE                        SHEARS                          5 people  0.28" in said(
        capsys, "recommend"
    )
    first = json.loads(said(capsys, "recommend", "c1", "--json"))["recommended"][0]
    assert (first["rule"], first["people"], first["with"], first["price"]) == ("together", 5, "ROSE", 10.0)
    assert "there is no customer" in said(capsys, "recommend", "nobody", code=2)


@pytest.mark.parametrize(
    "values",
    [{"stock": 0, "stock_at": 1}, {"price": None}, {"currency": "SEK"}],
    ids=["out of stock", "no price", "another currency"],
)
def test_what_nobody_can_buy_is_not_recommended(
    root: Path, capsys: pytest.CaptureFixture[str], values: dict[str, object]
) -> None:
    said(capsys, "recommend", "--learn")
    assert recommended(capsys, "c1")[0] == "SHEARS"
    products(**values)
    assert "SHEARS" not in recommended(capsys, "c1")


def test_what_was_bought_lately_is_left_out_and_long_ago_comes_again(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "recommend", "--learn")
    assert not {"ROSE", "SHEARS"} & set(recommended(capsys, "c3"))
    workspace = root / "config/workspace.yaml"
    workspace.write_text(workspace.read_text() + "recommendations: {not_again_within: 5 days}\n")
    assert {"ROSE", "SHEARS"} <= set(recommended(capsys, "c3"))


def test_what_the_campaign_offers_is_not_recommended_beside_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "campaigns/ideas.yaml").write_text(CAMPAIGN + "offer: {gives: shears, product: SHEARS}\n")
    said(capsys, "recommend", "--learn")
    told = said(capsys, "preview", "ideas", "--customer", "c1", "--text")
    assert "Gloves for €10.00" in told and "Shears" not in told


def test_a_message_to_whom_nothing_can_be_recommended_says_what_the_template_has_for_that(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "recommend", "--learn")
    with open_session() as session, session.store.durable("test") as connection:
        connection.execute(sa.update(money.products).values(stock=0))
    assert "New in the shop" in said(capsys, "preview", "ideas", "--customer", "c1", "--text")


def test_a_product_that_lacks_what_the_message_shows_is_passed_over(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "templates/ideas/email.en.txt").write_text(
        "Subject: Ideas\n\n{% for one in recommended %}\n{{ one.name }}: {{ one.url }}\n{% endfor %}\n"
    )
    said(capsys, "recommend", "--learn")
    with open_session() as session, session.store.durable("test") as connection:
        spade = sa.update(money.products).where(money.products.c.item == "SPADE")
        connection.execute(spade.values(url="https://shop.example/spade"))
    told = said(capsys, "preview", "ideas", "--customer", "c1", "--text")
    assert "Spade: https://shop.example/spade" in told and "Shears" not in told


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{{ recommended }}", "is a table of products"),
        ("{{ recommended | join }}", "is a table of products"),
        ("{% for one in recommended %}{{ one }}{% endfor %}", "is a product"),
        ("{% for one in recommended %}{{ one.prise }}{% endfor %}", 'did you mean "price"?'),
    ],
)
def test_a_template_that_names_products_wrongly_is_told_where_and_how(
    root: Path, capsys: pytest.CaptureFixture[str], written: str, told: str
) -> None:
    (root / "templates/ideas/email.en.txt").write_text(f"Subject: Ideas\n\n{written}\n")
    found = said(capsys, "check", code=1)
    assert told in found and "templates/ideas/email.en.txt:3" in found


def test_products_are_chosen_before_the_claim_and_taken_by_it(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[int] = []
    load = ProductsAhead.load

    def watched(self: ProductsAhead, connection: sa.Connection, customer_ids: list[int]) -> Any:
        late.append(len(set(customer_ids) - set(self._chosen)))
        return load(self, connection, customer_ids)

    monkeypatch.setattr(ProductsAhead, "load", watched)
    said(capsys, "run", "ideas", "--yes")
    assert late and set(late) == {0}


def test_a_text_message_recommends_as_an_email_does(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "campaigns/ideas.yaml").write_text(CAMPAIGN.replace("via: email", "via: [email, sms]"))
    (root / "channels/sms.yaml").write_text("channel: SMS\nadapter: outbox\nkind: sms\nsender: Shop\n")
    (root / "templates/ideas/sms.en.txt").write_text(
        "{% for one in recommended %}{{ one.name }} {{ one.price }} {% else %}Hello{% endfor %}\n"
    )
    said(capsys, "recommend", "--learn")
    told = json.loads(said(capsys, "preview", "ideas", "--customer", "c1", "--json"))
    assert "Shears €10.00" in json.dumps(told["legs"], ensure_ascii=False)


def test_the_night_learns_what_there_is_and_nothing_where_no_product_has_a_price(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tidings.flows.nights import recommendations_learnt
    from tidings.flows.opening import opened

    with opened(None, None) as here:
        assert recommendations_learnt(here) == [{"customers": 8, "products": 4, "pairs kept": 2}]
    with open_session() as session, session.store.durable("test") as connection:
        connection.execute(sa.update(money.products).values(price=None))
    with opened(None, None) as here:
        assert recommendations_learnt(here) == []


def test_orders_without_lines_teach_nothing_and_the_command_says_so() -> None:
    told = _when(Learnt(datetime(2027, 3, 1, 9, tzinfo=UTC), 0, 0, 0), ZoneInfo("Europe/Stockholm"))
    assert told.startswith(
        "Learnt on 2027-03-01 at 10:00, and there was nothing to learn from: no order has lines"
    )
