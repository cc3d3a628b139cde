"""Clicks on ads of people nobody knows, and what they order later: matched by visitor, code, telephone, e-mail and page, by the commands alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from customers.test_import_command import HEADER, row, workspace  # noqa: F401
from support.import_world import write_csv
from tidings.cli.main import execute
from tidings.store.tables import answers, money, people

TOUCHES = """\
import: Clicks that the site wrote down
kind: touches
ids: click
at: {column: at, zone: Europe/Stockholm}
medium: {value: search}
source: {value: engine}
customer:
  visitor: visitor
  landing_page: page
"""
ORDERS = """\
import: Orders of the site, those of guests too
kind: events
event: order_placed
customer: customer
visitor: visitor
at: {column: at, zone: Europe/Stockholm}
properties:
  order: order
  order_total: {column: total, money: EUR}
  code: code
  phone: phone
  email: email
  landing_page: page
ids: [order]
"""
VIEWS = """\
import: Pages that visitors saw
kind: events
event: page_viewed
visitor: visitor
at: {column: at, zone: Europe/Stockholm}
properties: {page: page}
ids: [view]
"""
COLUMNS = ("order", "at", "total", "customer", "visitor", "code", "phone", "email", "page")


@pytest.fixture
def shop(workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:  # noqa: F811
    (workspace / "config/imports").mkdir(exist_ok=True)
    for name, text in (("clicks", TOUCHES), ("site_orders", ORDERS), ("views", VIEWS)):
        (workspace / f"config/imports/{name}.yaml").write_text(text)
    events = workspace / "config/events.yaml"
    events.write_text(
        events.read_text().replace(
            "    order_total: money              # net",
            "    code: text\n    phone: text\n    email: text\n    landing_page: text\n    order_total: money              # net",
            1,
        )
    )
    people_ = [row(n) for n in range(1, 7)]
    people_ = [(*one[:2], f"07017406{n:02}", *one[3:]) for n, one in enumerate(people_, 1)]
    write_csv(workspace / "c.csv", HEADER, people_)
    assert execute(["import", "c.csv", "--as", "customers"]) == 0, capsys.readouterr()
    return workspace


def table(path: Path, header: tuple[str, ...], *rows: tuple[str, ...]) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def order(number: str, **cells: str) -> tuple[str, ...]:
    return tuple(
        {"order": number, "at": "2027-03-05 12:00", "total": "100.00", **cells}.get(name, "")
        for name in COLUMNS
    )


def clicks(shop: Path, *visitors: str, page: str = "") -> None:
    rows = [(f"k{one}", "2027-03-03 12:00", one, page) for one in visitors]
    assert (
        execute(
            [
                "import",
                table(shop / "clicks.csv", ("click", "at", "visitor", "page"), *rows),
                "--as",
                "clicks",
            ]
        )
        == 0
    )


def attributed(capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    assert (
        execute(["attribute", "--from", "2027-03-01", "--to", "2027-03-31", "--model", "last", "--json"]) == 0
    )
    answer = json.loads(capsys.readouterr().out)
    # It says until when effects were counted, which is now.
    del answer["beside"]["as_of"]
    return answer


def ask(shop: Path, statement: sa.Select[Any]) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(f"sqlite:///{shop}/.tidings/development.sqlite")
    with engine.begin() as connection:
        return [tuple(one) for one in connection.execute(statement)]


def given_code(shop: Path, code: str, customer: str) -> None:
    engine = sa.create_engine(f"sqlite:///{shop}/.tidings/development.sqlite")
    with engine.begin() as connection:
        whose = connection.execute(
            sa.select(people.customers.c.id).where(people.customers.c.key == customer)
        ).scalar_one()
        connection.execute(
            money.codes.insert().values(
                pool="spring", code=code, state="reserved", customer_id=whose, added_at=1
            )
        )
    engine.dispose()


def touched(shop: Path) -> dict[str, str]:
    """Return by the name of the visitor whose click it was, for clicks that are somebody's."""
    joined = answers.touches.join(people.customers, people.customers.c.id == answers.touches.c.customer_id)
    select = sa.select(answers.touches.c.dedupe_key, people.customers.c.key).select_from(joined)
    return {key.split('"')[3].removeprefix("k"): whose for key, whose in ask(shop, select)}


def test_a_click_belongs_to_whoever_orders_as_that_visitor_by_key_code_phone_email_or_page(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given_code(shop, "SPRING-7K2", "2")
    clicks(shop, "v1", "v2", "v3", "v4", "v6", "v9")
    clicks(shop, "", page="https://shop.example/a?click=55")
    rows = [
        order("A1", customer="1", visitor="v1"),
        order("A2", code="SPRING-7K2", visitor="v2"),
        order("A3", phone="070-174 06 03", visitor="v3"),
        order("A4", email="U4@example.com", visitor="v4"),
        order("A5", customer="5", page="https://shop.example/a?click=55"),
        order("A6", visitor="v6"),
        order("A7", email="nobody@else.example"),
        order("A8"),
    ]
    capsys.readouterr()
    assert execute(["import", table(shop / "o.csv", COLUMNS, *rows), "--as", "site_orders", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["events"], said["details"]["unnamed"]) == (7, 5)
    assert (said["no_customer"], said["no_customer_value"]) == (1, {"EUR": 100.0})
    answer = attributed(capsys)
    # v6 ordered and said nothing else, nobody@else is no customer: two orders unmatched, none dropped.
    assert answer["unmatched"] == {"count": 2, "value": 200.0}
    assert answer["conversions"]["count"] == 5
    assert answer["models"]["last"] == {"search": 5.0}
    assert touched(shop) == {"v1": "1", "v2": "2", "v3": "3", "v4": "4", "": "5"}
    assert answer["touches_of_nobody_known"] == 2
    assert attributed(capsys) == answer


def test_a_visitor_who_says_who_it_is_later_is_known_from_the_first_page_on(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clicks(shop, "v1")
    header = ("view", "at", "visitor", "page")
    seen = table(
        shop / "v.csv", header, ("1", "2027-03-03 12:01", "v1", "/roses"), ("2", "2027-03-03 12:02", "", "/x")
    )
    assert execute(["import", seen, "--as", "views"]) == 0
    assert "2  events new" in capsys.readouterr().out
    assert (
        execute(["import", table(shop / "o.csv", COLUMNS, order("A1", visitor="v1")), "--as", "site_orders"])
        == 0
    )
    assert attributed(capsys)["unmatched"]["count"] == 1
    again = table(shop / "p.csv", COLUMNS, order("A2", visitor="v1", customer="3"))
    assert execute(["import", again, "--as", "site_orders"]) == 0
    answer = attributed(capsys)
    assert (answer["unmatched"]["count"], answer["models"]["last"]) == (0, {"search": 2.0})
    # A second customer on the same machine: the name says no longer whose it was, though what was matched stays.
    other = table(shop / "q.csv", COLUMNS, order("A3", visitor="v1", customer="4"), order("A4", visitor="v1"))
    assert execute(["import", other, "--as", "site_orders"]) == 0
    assert attributed(capsys)["unmatched"]["count"] == 2


def test_a_name_that_looks_like_a_mark_is_turned_away(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forged = table(shop / "o.csv", COLUMNS, order("A1", visitor="=email:abc"), order("A2", visitor="v" * 201))
    assert execute(["import", forged, "--as", "site_orders"]) == 1
    told = capsys.readouterr().out
    assert "1  no visitor in visitor" in told and "1  too long in visitor" in told


def test_a_mapping_of_events_says_by_what_people_are_known(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "config/imports/views.yaml").write_text(VIEWS.replace("visitor: visitor\n", ""))
    assert execute(["check"]) == 1
    assert 'an import of events needs "customer" or "visitor"' in capsys.readouterr().out


def test_addresses_of_guests_stand_in_the_store_as_hashes_beside_what_erasure_takes(shop: Path) -> None:
    rows = table(shop / "o.csv", COLUMNS, order("A7", email="nobody@else.example"))
    assert execute(["import", rows, "--as", "site_orders"]) == 0
    ((mark, _),) = ask(shop, sa.select(people.events.c.visitor, people.events.c.id))
    assert mark.startswith("=email:") and "nobody" not in mark
    assert people.events.c.visitor.info["personal"] == "hash"
    assert people.events.c.properties.info["personal"] == "erase"


def test_a_day_that_is_none_is_refused_before_a_store_is_made(
    workspace: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    for option in ("--from", "--to"):
        assert execute(["attribute", option, "2027-13-01"]) == 2
        assert f'"2027-13-01" is no day\n  write it as {option} 2027-03-20' in capsys.readouterr().err
    assert not (workspace / ".tidings").exists()
