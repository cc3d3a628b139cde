"""Orders that a shop sends with their lines: what is taken, what is refused, and that they are what files bring."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from support.import_world import DEFINITIONS, ORDER_HEADER, ORDERS, write_csv
from support.spooled import order, spooled
from support.tracking import KEY, SALT, records, rows_of
from tidings.campaigns.bought_together import learn
from tidings.clock import to_micros
from tidings.customers.importing import import_file
from tidings.definitions.loader import load
from tidings.responses import drain as draining
from tidings.responses.drain import drain
from tidings.responses.event_api import EventReader, encoded
from tidings.responses.storing import apply
from tidings.responses.told_values import Refused
from tidings.store.tables import money, people

SHEARS = {"item": "PS-2", "quantity": 2, "price": "34.90", "name": "剪刀"}
GLOVES = {"item": "GL-7", "quantity": "0.5", "price": 19.9}
SALE = {"event": "order_placed", "customer": "C1", "id": "o1"}
READER = EventReader(DEFINITIONS.events, "EUR")


def read(*events: dict[str, Any]) -> list[dict[str, Any]]:
    return READER.read(json.dumps(list(events)).encode(), source="api:shop", now=2 * 10**15)


def test_lines_say_what_an_order_came_to(web, folder) -> None:
    sale = {**SALE, "lines": [SHEARS, GLOVES, {**GLOVES, "name": None, "item": " X "}]}
    assert web.post("/v1/events", headers=KEY, json=sale).json() == {"accepted": 1}
    (record,) = records(folder)
    assert record["lines"] == [
        ["PS-2", "剪刀", "2", 3490],
        ["GL-7", None, "0.5", 1990],
        ["X", None, "0.5", 1990],
    ]
    assert (record["amount"], record["currency"]) == (8970, "EUR")
    assert record["properties"] == {"order_total": 8970}


@pytest.mark.parametrize(
    ("sent", "amount"),
    [
        ({**SALE, "amount": "60", "lines": [SHEARS]}, 6000),
        ({**SALE, "properties": {"order_total": 61}, "lines": [SHEARS]}, 6100),
        # Rounded once an order, not once a line.
        ({**SALE, "lines": [{"item": "screw", "quantity": 3, "price": "0.005"}] * 3}, 4),
        ({**SALE, "event": "order_returned", "lines": [{**SHEARS, "quantity": -2}]}, 6980),
        ({**SALE, "lines": [SHEARS, {**SHEARS, "quantity": -1}]}, 3490),
        ({**SALE, "currency": "JPY", "lines": [{**SHEARS, "price": 300}]}, 600),
        ({**SALE, "lines": []}, None),
        # Nothing was earned by a basket; what its lines are priced in is known all the same.
        ({"event": "basket_updated", "customer": "C1", "currency": "SEK", "lines": [SHEARS]}, None),
    ],
)
def test_an_amount_that_is_told_holds_and_one_that_is_not_is_the_sum_of_the_lines(sent, amount) -> None:
    (record,) = read(sent)
    assert record.get("amount") == amount
    assert record.get("currency") == (sent.get("currency", "EUR") if sent["lines"] else None)
    assert (
        all(float(quantity) > 0 for _, _, quantity, _ in record.get("lines", ())) or len(sent["lines"]) == 2
    )


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ({}, "`lines` must be an array"),
        ("PS-2", "`lines` must be an array"),
        ([5], "`lines[0]` must be an object with `item`, `quantity` and `price`"),
        ([SHEARS, {**SHEARS, "sku": "a"}], '`lines[1]` has "sku", which is no key of a line; those are item, quantity, price, name'),
        ([{"item": "a", "quantity": 1}], "`lines[0]` has no `price`: each line needs"),
        ([{**SHEARS, "item": " "}], "`lines[0].item` must be a text of 1 to 200 signs"),
        ([{**SHEARS, "item": 7}], "`lines[0].item`"),
        ([{**SHEARS, "item": "a\x00"}], "`lines[0].item`"),
        ([{**SHEARS, "name": "x" * 501}], "`lines[0].name` must be a text of 1 to 500 signs"),
        ([{**SHEARS, "quantity": "two"}], "`lines[0].quantity` must be a number"),
        ([{**SHEARS, "quantity": True}], "`lines[0].quantity`"),
        ([{**SHEARS, "quantity": 10**10}], "`lines[0]` cannot be counted: 10000000000 pieces are too many"),
        ([SHEARS, {**SHEARS, "price": "12,50"}], "`lines[1].price` must be a number"),
        ([{**SHEARS, "quantity": 10**9, "price": 10**7}], "`lines[0]` cannot be counted"),
        ([{**SHEARS, "quantity": 10**6, "price": 10**7}] * 2, "`lines` come to too much money"),
        ([SHEARS] * 1_001, "`lines` has 1,001 lines; at most 1,000"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_counted_is_said_with_its_place_and_nothing_is_kept(lines, sentence) -> None:
    good = {**SALE, "lines": [SHEARS]}
    with pytest.raises(Refused) as refused:
        read(good, {**SALE, "id": "o2", "lines": lines}, good)
    assert refused.value.status == 400
    assert refused.value.sentence.startswith(f"Event 2 of 3: {sentence}")
    assert refused.value.sentence.endswith(". Nothing was accepted.")


def test_an_order_that_is_too_large_for_the_spool_is_refused_with_all_that_came_with_it(refusing) -> None:
    web, folder = refusing
    large = {**SALE, "lines": [{**SHEARS, "name": "剪" * 300}] * 200}
    answer = web.post("/v1/events", headers=KEY, json=[{**SALE, "lines": [SHEARS]}, large])
    assert answer.status_code == 413
    assert answer.json()["error"].startswith("Event 2 of 2 is larger than 256 KiB: send fewer lines")
    assert records(folder) == []


def kept(store) -> list[tuple[Any, ...]]:
    """Every line with the amount of its event, in order."""
    lines, events = people.event_items, people.events
    with store.read() as connection:
        return [
            tuple(row)
            for row in connection.execute(
                sa.select(
                    events.c.amount, lines.c.position, lines.c.item, lines.c.name, lines.c.quantity, lines.c.price
                )
                .join(events, events.c.id == lines.c.event_id)
                .order_by(events.c.occurred_at, events.c.id, lines.c.position)
            )
        ]  # fmt: skip


def test_lines_are_stored_once_however_often_their_order_comes(store, tmp_path) -> None:
    first = order("C1", id="o1", lines=[["PS-2", "Shears", "2", 3490], ["GL-7", None, "0.5", 1990]])
    other = order("C2", occurred=9, lines=[["PS-2", None, "1", 3490]])
    plain = order("C1", id="o0")
    spooled(tmp_path, store.clock, [plain, first, first, other])
    assert drain(store, tmp_path, salt=SALT).events == 3
    wanted = [
        (1250, 0, "PS-2", "Shears", 2, 3490),
        (1250, 1, "GL-7", None, 0.5, 1990),
        (1250, 0, "PS-2", None, 1, 3490),
    ]
    assert kept(store) == wanted
    # Told again with more, and one that came without any: what was known first holds.
    spooled(
        tmp_path, store.clock, [{**first, "lines": first["lines"] * 2}, {**plain, "lines": first["lines"]}]
    )
    assert drain(store, tmp_path, salt=SALT).events == 0
    assert kept(store) == wanted


def test_orders_of_many_lines_are_stored_in_several_transactions(make_store, tmp_path, monkeypatch) -> None:
    store = make_store("sqlite")
    monkeypatch.setattr(draining, "_MOST_LINES", 4)
    spooled(
        tmp_path,
        store.clock,
        [order("C1", id=str(n), occurred=n, lines=[["A", None, "1", n]] * 3) for n in range(5)],
    )
    written = []

    def counted(connection, prepared, **more):
        written.append(len(prepared.events))
        return apply(connection, prepared, **more)

    monkeypatch.setattr(draining, "apply", counted)
    assert drain(store, tmp_path, salt=SALT).events == 5
    assert [row[-1] for row in kept(store)] == [n for n in range(5) for _ in range(3)]
    assert written == [1] * 5


def test_an_order_is_the_same_whether_a_file_or_the_shop_tells_it(make_store, tmp_path) -> None:
    store = make_store("sqlite")
    told = [("PS-2", "Shears", 2, "34.905"), ("GL-7", "", "0.5", "19.90"), ("PS-2", "Shears", 1, "30")]
    rows = [
        (number, sku, title, sign * float(pieces), "2027-03-01 10:00", price, "C1")
        for number, sign in (("7", 1), ("C7", -1))
        for sku, title, pieces, price in told
    ]
    import_file(store, DEFINITIONS, ORDERS, write_csv(tmp_path / "orders.csv", ORDER_HEADER, rows))
    by_file = kept(store)
    assert [row[0] for row in by_file] == [10976] * 6
    lines = [
        {"item": sku, "name": title or None, "quantity": pieces, "price": price}
        for sku, title, pieces, price in told
    ]
    back = [{**line, "quantity": -float(line["quantity"])} for line in lines]
    at = {"at": "2027-03-01T11:00:00Z", "currency": "GBP"}
    folder = tmp_path / "spool"
    folder.mkdir()
    spooled(
        folder,
        store.clock,
        read(
            {**SALE, **at, "lines": lines},
            {**SALE, **at, "event": "order_returned", "id": "r1", "lines": back},
        ),
    )
    assert drain(store, folder, salt=SALT).events == 2
    assert kept(store)[6:] == by_file


def test_what_the_shop_sends_with_its_orders_is_recommended(make_store, tmp_path) -> None:
    store = make_store("sqlite")
    now = to_micros(store.clock.now())
    both = [{"item": "ROSE", "quantity": 1, "price": 9}, {"item": "SHEARS", "quantity": 1, "price": 30}]
    spooled(tmp_path, store.clock, [
        {**record, "occurred": now - 86_400_000_000}
        for record in read(*({**SALE, "id": f"o{n}", "customer": f"C{n}", "lines": both} for n in range(4)))
    ])  # fmt: skip
    drain(store, tmp_path, salt=SALT)
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(money.products),
            [{"item": item, "name": item, "price": 900, "currency": "EUR", "updated_at": now} for item in ("ROSE", "SHEARS")],
        )  # fmt: skip
    learnt = learn(store, DEFINITIONS, now=store.clock.now() + timedelta(seconds=1))
    assert (learnt.customers, learnt.items) == (4, 2)
    assert {(row.item, row.other, row.people) for row in rows_of(store, money.bought_together)} == {
        ("ROSE", "SHEARS", 4),
        ("SHEARS", "ROSE", 4),
    }


def test_the_examples_of_the_page_are_taken_as_they_stand() -> None:
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "how-to" / "send-events.md").read_text(encoding="utf-8")
    bodies = [part.split("```")[0] for part in page.split("```json\n")[1:]]
    reader = EventReader(load(root).events, "EUR")
    came = [
        record for body in bodies for record in reader.read(body.encode(), source="api:shop", now=2 * 10**15)
    ]
    assert [(one["event"], one.get("amount"), len(one["lines"])) for one in came] == [
        ("order_placed", 8970, 2),
        ("order_returned", 1990, 1),
        ("basket_updated", None, 1),
    ]
    assert len(encoded(came)) == 3
    (said,) = [line for line in page.splitlines() if line.startswith('400  {"error"')]
    wrong = {**SALE, "lines": [{**SHEARS, "price": "12,50"}]}
    with pytest.raises(Refused) as refused:
        read(SALE, wrong, SALE)
    assert json.loads(said.removeprefix("400  "))["error"] == refused.value.sentence
