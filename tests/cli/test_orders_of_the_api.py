"""An order that the shop sends with its lines and a code: selected by what was bought and redeemed, and recommended by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tidings.cli.main import execute
from tidings.cli.session import open_session
from tidings.clock import to_micros
from tidings.responses.drain import drain
from tidings.responses.event_api import EventReader, encoded
from tidings.responses.spool import SpoolWriter, spool_folder
from tidings.store.batches import insert_rows
from tidings.store.tables import money

SEGMENT = """segment: Redeemed with roses
where:
  - did: redeemed
    within: last 30 days
    with: {code: SPRING10, discount: at least 5 EUR}
  - did: order_placed
    with: {item: ROSE}
"""


def test_an_order_of_the_api_is_selected_and_recommended_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "shop"
    assert execute(["init", str(root)]) == 0
    monkeypatch.chdir(root)
    monkeypatch.delenv("TIDINGS_STORE", raising=False)
    monkeypatch.delenv("TIDINGS_WORKSPACE", raising=False)
    campaign = root / "campaigns" / "spring_winback.yaml"
    campaign.write_text(
        campaign.read_text(encoding="utf-8") + "\noffer: {gives: 10% off, code: SPRING10}\n", encoding="utf-8"
    )
    (root / "segments" / "roses.yaml").write_text(SEGMENT, encoding="utf-8")
    assert execute(["migrate", "--yes"]) == 0
    orders = [
        {
            "event": "order_placed", "customer": f"c{n}", "id": f"o{n}",
            "properties": {"coupon": "spring10", "saved": 6 if n % 2 else 4} if n < 6 else {},
            "lines": [{"item": item, "quantity": 1, "price": "10.00"} for item in (["ROSE", "SHEARS"] if n else ["SHEARS"])],
        }
        for n in range(8)
    ]  # fmt: skip
    with open_session() as session:
        settings, store = session.settings, session.store
        now = to_micros(session.clock.now())
        reader = EventReader(settings.definitions.events, "EUR")
        records = reader.read(json.dumps(orders).encode(), source="api:shop", now=now - 1_000_000)
        folder = spool_folder(settings.data_dir, settings.environment.name)
        folder.mkdir(parents=True)
        writer = SpoolWriter(folder, session.clock)
        writer.append(encoded(records))
        writer.close()
        assert drain(store, folder, salt=settings.definitions.workspace.salt).events == 8
        products = [(item, item.title(), 1_000, "EUR", now) for item in ("ROSE", "SHEARS")]
        with store.durable("test") as connection:
            insert_rows(
                connection, money.products, products, ("item", "name", "price", "currency", "updated_at")
            )
    capsys.readouterr()
    assert execute(["segment", "roses", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["key"] for row in found["sample"]} == {"c1", "c3", "c5"}
    assert execute(["recommend", "--learn"]) == 0
    capsys.readouterr()
    assert execute(["recommend", "c0", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["recommended"]
    assert (one["item"], one["people"]) == ("ROSE", 7)
