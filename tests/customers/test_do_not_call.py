"""Registers of numbers that want no advertising: the newest list holds, and an own agreement goes before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from support.cost_files import BARE, plain_file
from support.import_world import MARKETING, SERVICE
from tidings.customers.consent import ConsentRow, record
from tidings.customers.identity import address_hash
from tidings.customers.importing import import_file
from tidings.customers.permission import refusal, refusals
from tidings.definitions.kinds.importing import Column, NumbersImport
from tidings.definitions.kinds.rules import Purpose
from tidings.errors import TidingsError
from tidings.store.database import Store
from tidings.store.tables import people

NIX = NumbersImport("nix", "NIX", "config/imports/nix.yaml", number=Column("number"), country="SE")
COLD = Purpose("cold", "marketing", "not needed")
ANNA, BOB = "+46701740601", "+46701740602"


def bring(store: Store, folder: Path, *numbers: str, mapping: NumbersImport = NIX, **more: Any) -> Any:
    return import_file(store, BARE, mapping, plain_file(folder / "list.csv", ("number",), [(one,) for one in numbers]), **more)  # fmt: skip


@pytest.fixture
def shop(store: Store) -> Store:
    """Anna and Bob, each with a telephone; Bob's is a fax as well."""
    salt = BARE.workspace.salt
    with store.durable("test") as connection:
        for n, number in enumerate((ANNA, BOB), 1):
            connection.execute(
                sa.insert(people.customers).values(
                    id=n, key=f"C{n}", u=n, created_at=0, phone=number, fax=number,
                    phone_hash=address_hash(salt, "sms", number), fax_hash=address_hash(salt, "fax", number),
                )
            )  # fmt: skip
    return store


def codes(store: Store, purpose: Purpose = COLD, kind: str = "sms") -> list[str | None]:
    """Return the refusal of each customer, the same by looking up and by joining."""
    customers = people.customers
    with store.read() as connection:
        one = connection.execute(sa.select(refusal(kind, purpose)).order_by(customers.c.id)).scalars().all()
        inner = refusals(kind, purpose).subquery()
        other = connection.execute(sa.select(inner.c.code).order_by(inner.c.customer_id)).scalars().all()
    assert one == other
    return list(one)


def test_who_stands_on_the_list_and_never_agreed_gets_no_advertising(shop: Store, tmp_path: Path) -> None:
    assert codes(shop) == [None, None]
    done = bring(shop, tmp_path, "070-174 06 01", "+46 8 123 456 78")
    assert (done.kind, done.rows, done.details) == ("do_not_call", 2, {"numbers": 2})
    assert codes(shop) == ["dnc_listed", None]
    assert codes(shop, kind="fax") == ["dnc_listed", None]
    # It is no advertising; and where consent is needed, its lack is what is said.
    assert codes(shop, SERVICE) == [None, None]
    assert codes(shop, MARKETING) == ["no_consent", "no_consent"]


@pytest.mark.parametrize(
    ("state", "code"), [("granted", None), ("pending", "dnc_listed"), ("withdrawn", "unsubscribed_list")]
)
def test_an_own_agreement_goes_before_the_list(
    shop: Store, tmp_path: Path, state: str, code: str | None
) -> None:
    bring(shop, tmp_path, ANNA, BOB)
    with shop.durable("test") as connection:
        record(connection, [ConsentRow(1, "sms", "cold", state, "form", "test", 1, 1)])
    assert codes(shop) == [code, "dnc_listed"]


def test_the_newest_list_is_the_whole_list(shop: Store, tmp_path: Path) -> None:
    bring(shop, tmp_path, ANNA, "+46701740699")
    second = bring(shop, tmp_path, "+46701740699", BOB, BOB)
    assert second.details == {"numbers": 1, "numbers_known": 1, "numbers_lifted": 1}
    assert codes(shop) == [None, "dnc_listed"]
    # The list before, imported again, holds again: so a wrong list is taken back.
    again = bring(shop, tmp_path, ANNA, "+46701740699", again=True)
    assert again.details == {"numbers": 1, "numbers_known": 1, "numbers_lifted": 1}
    assert codes(shop) == ["dnc_listed", None]


def test_two_lists_stand_beside_each_other(shop: Store, tmp_path: Path) -> None:
    other = NumbersImport("own", "Own", "config/imports/own.yaml", number=Column("number"))
    bring(shop, tmp_path, ANNA)
    bring(shop, tmp_path, ANNA, BOB, mapping=other)
    bring(shop, tmp_path, BOB)
    assert codes(shop) == ["dnc_listed", "dnc_listed"]
    bring(shop, tmp_path, BOB, "+46701740698", mapping=other)
    assert codes(shop) == [None, "dnc_listed"]


def test_a_file_without_one_number_frees_nobody(shop: Store, tmp_path: Path) -> None:
    bring(shop, tmp_path, ANNA)
    with pytest.raises(TidingsError, match="not one number could be read"):
        bring(shop, tmp_path, "nobody", "12")
    assert codes(shop) == ["dnc_listed", None]


def test_rows_that_are_no_numbers_are_told_and_their_repair_adds_to_the_list(
    shop: Store, tmp_path: Path
) -> None:
    done = bring(shop, tmp_path, BOB, "070-174 06 O1")
    assert done.rejected == 1
    rejects = tmp_path / "list.csv.rejects.csv"
    rejects.write_text(rejects.read_text().replace("06 O1", "06 01"))
    repaired = import_file(shop, BARE, NIX, rejects)
    assert repaired.details == {"numbers": 1}
    assert codes(shop) == ["dnc_listed", "dnc_listed"]


def test_no_number_is_readable_in_the_store(shop: Store, tmp_path: Path) -> None:
    bring(shop, tmp_path, ANNA)
    with shop.read() as connection:
        rows = connection.execute(sa.select(people.listed_numbers)).all()
    assert {row.channel for row in rows} == {"sms", "fax"}
    assert not any("70174" in str(value) for row in rows for value in row if isinstance(value, str))
