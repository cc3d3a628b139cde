"""In which country somebody is: the same answer in Python and in SQL."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tidings.customers.countries import beginnings, country_of, lives_in
from tidings.store.database import Store
from tidings.store.tables import people

PEOPLE = [
    # attribute, phone, fax, expected where the workspace is in SE
    ("TW", "+46701740601", None, "TW"),
    ("ru", None, None, "RU"),
    ("", "+886911000001", None, "TW"),
    (None, "+14165550123", None, "CA"),
    (None, "+12125550123", None, "US"),
    (None, "+17875550123", None, "PR"),
    (None, "+79161234567", None, "RU"),
    (None, "+77011234567", None, "KZ"),
    (None, "+8613800138000", None, "CN"),
    (None, None, "+85221234567", "HK"),
    (None, "+80012345678", None, "001"),
    (None, None, None, "SE"),
]


@pytest.mark.parametrize(("country", "phone", "fax", "expected"), PEOPLE)
def test_the_attribute_comes_before_the_number_and_the_number_before_the_workspace(
    country: str | None, phone: str | None, fax: str | None, expected: str
) -> None:
    assert country_of(country, phone or fax, "SE") == expected


def test_of_nobody_known_in_a_workspace_without_a_country_nothing_is_known() -> None:
    assert country_of(None, None, None) is None


def test_countries_that_share_a_code_share_no_beginning() -> None:
    canada, nobody = beginnings("CA")
    assert nobody == ()
    assert "+1416" in canada
    start, elsewhere = beginnings("US")
    assert start == ("+1",)
    assert set(canada) < set(elsewhere)
    assert beginnings("TW") == (("+886",), ())
    assert beginnings("ZZ") == ((), ())


def test_sql_says_what_python_says(store: Store) -> None:
    customers = people.customers
    rows = [
        {"key": f"c{n}", "u": n, "created_at": 0, "country": country, "phone": phone, "fax": fax}
        for n, (country, phone, fax, _) in enumerate(PEOPLE)
    ]
    with store.durable("test") as connection:
        connection.execute(sa.insert(customers), rows)
    with store.read() as connection:
        for countries in (("TW",), ("RU",), ("KZ",), ("US",), ("CA", "US"), ("SE", "HK"), ("CN", "PR")):
            there = lives_in(countries, "sms", "SE", unknown=False)
            found = set(connection.execute(sa.select(customers.c.key).where(there)).scalars())
            assert found == {f"c{n}" for n, one in enumerate(PEOPLE) if one[3] in countries}, countries
        for unknown in (True, False):
            there = lives_in(("TW",), "sms", None, unknown=unknown)
            found = set(connection.execute(sa.select(customers.c.key).where(there)).scalars())
            assert (f"c{len(PEOPLE) - 1}" in found) is unknown


def test_a_fax_is_where_its_number_is(store: Store) -> None:
    customers = people.customers
    with store.durable("test") as connection:
        row = {"key": "c", "u": 1, "created_at": 0, "phone": "+46701740601", "fax": "+886222000001"}
        connection.execute(sa.insert(customers).values(row))
    with store.read() as connection:
        for kind, there in (("fax", "TW"), ("sms", "SE"), ("email", "SE")):
            asked = sa.select(customers.c.id).where(lives_in((there,), kind, None, unknown=False))
            assert connection.execute(asked).all(), kind
