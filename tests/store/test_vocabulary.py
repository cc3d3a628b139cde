"""The attributes of customers follow config/attributes.yaml, and no value is lost unasked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from support.stores import ATTRIBUTES
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.errors import StoreError
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import people
from tidings.store.vocabulary import (
    TABLE,
    apply_changes,
    attributes_table,
    check_vocabulary,
    column_name,
    plan_changes,
    vocabulary_hash,
)


@pytest.fixture
def bare(make_store: Callable[..., Store], dialect: str) -> Store:
    """A store that knows no attribute yet."""
    return make_store(dialect, bare=True)


def _vocabulary(*attributes: Attribute) -> Attributes:
    return Attributes(attributes)


def _fill(store: Store, attributes: Attributes, name: str, values: Sequence[Any]) -> None:
    with store.durable("test") as connection:
        rows = [(number, f"c{number}", 1, 1) for number in range(1, len(values) + 1)]
        insert_rows(
            connection, people.customers, rows, ("id", "key", "u", "created_at"), ignore_conflicts=True
        )
        insert_rows(
            connection,
            attributes_table(attributes),
            list(enumerate(values, 1)),
            ("customer_id", name),
        )


def _values(store: Store, attributes: Attributes, name: str) -> list[Any]:
    table = attributes_table(attributes)
    with store.read() as connection:
        return list(connection.execute(sa.select(table.c[name]).order_by(table.c.customer_id)).scalars())


def _columns(store: Store) -> set[str]:
    with store.read() as connection:
        return {column["name"] for column in sa.inspect(connection).get_columns(TABLE)}


def test_a_new_store_gets_every_attribute_with_its_type(bare: Store) -> None:
    plan = plan_changes(bare, ATTRIBUTES)
    assert "make the table for the attributes of customers" in plan.sentences
    assert 'add the attribute "vip" (yes/no)' in plan.sentences
    assert not plan.empty
    with pytest.raises(StoreError, match="does not know the attributes") as caught:
        check_vocabulary(bare, ATTRIBUTES)
    assert "tidings migrate" in caught.value.what_to_do
    assert apply_changes(bare, ATTRIBUTES) == plan
    check_vocabulary(bare, ATTRIBUTES)
    assert plan_changes(bare, ATTRIBUTES).empty
    names = {one.name for one in ATTRIBUTES.attributes if one.type != "list"}
    assert _columns(bare) == names | {"customer_id"}


def test_the_table_knows_what_erasure_does_with_a_column() -> None:
    table = attributes_table(ATTRIBUTES)
    assert table.c.full_name.info["personal"] == "erase"
    assert table.c.vip.info["personal"] == "keep"
    assert "interests" not in table.c


def test_an_added_attribute_leaves_the_others_alone(store: Store) -> None:
    _fill(store, ATTRIBUTES, "full_name", ["Åsa", None])
    more = Attributes((*ATTRIBUTES.attributes, Attribute("shoe_size", "number")))
    with pytest.raises(StoreError, match="has changed since") as caught:
        check_vocabulary(store, more)
    assert "tidings migrate" in caught.value.what_to_do
    assert plan_changes(store, more).sentences == ('add the attribute "shoe_size" (number)',)
    apply_changes(store, more)
    check_vocabulary(store, more)
    assert _values(store, more, "full_name") == ["Åsa", None]
    assert _values(store, more, "shoe_size") == [None, None]


def test_a_rename_keeps_the_values_and_the_history(bare: Store) -> None:
    before = _vocabulary(Attribute("town", "text"), Attribute("likes", "list"))
    after = _vocabulary(Attribute("city", "text", was="town"), Attribute("interests", "list", was="likes"))
    apply_changes(bare, before)
    _fill(bare, before, "town", ["Lund"])
    with bare.durable("test") as connection:
        connection.execute(
            people.customer_lists.insert().values(customer_id=1, attribute="likes", value="roses")
        )
        connection.execute(
            people.attribute_changes.insert().values(
                customer_id=1, attribute="town", value="Lund", changed_at=1, source="s"
            )
        )
    plan = apply_changes(bare, after)
    assert plan.sentences[0] == 'rename the attribute "town" to "city", with all its values'
    assert _values(bare, after, "city") == ["Lund"]
    assert _columns(bare) == {"customer_id", "city"}
    with bare.read() as connection:
        assert connection.execute(sa.select(people.customer_lists.c.attribute)).scalars().all() == [
            "interests"
        ]
        assert connection.execute(sa.select(people.attribute_changes.c.attribute)).scalars().all() == ["city"]
    assert plan_changes(bare, after).empty


def test_an_old_name_may_be_given_to_something_new_in_the_same_step(bare: Store) -> None:
    before = _vocabulary(Attribute("level", "text"))
    after = _vocabulary(Attribute("level", "number"), Attribute("member_level", "text", was="level"))
    apply_changes(bare, before)
    _fill(bare, before, "level", ["gold"])
    apply_changes(bare, after)
    assert _values(bare, after, "member_level") == ["gold"]
    assert _values(bare, after, "level") == [None]
    assert plan_changes(bare, after).empty


def test_a_name_can_change_its_case(bare: Store) -> None:
    apply_changes(bare, _vocabulary(Attribute("Orders", "number")))
    _fill(bare, _vocabulary(Attribute("Orders", "number")), "Orders", [3.0])
    after = _vocabulary(Attribute("orders", "number", was="Orders"))
    apply_changes(bare, after)
    assert _values(bare, after, "orders") == [3.0]
    assert _columns(bare) == {"customer_id", "orders"}


@pytest.mark.parametrize(
    ("old", "new", "values", "expected"),
    [
        (("number", None), ("text", None), [2.0, 2.5, None], ["2", "2.5", None]),
        (("money", "EUR"), ("text", None), [1250, -5], ["12.50", "-0.05"]),
        (("date", None), ("text", None), [date(2027, 2, 28)], ["2027-02-28"]),
        (("flag", None), ("text", None), [True, False], ["yes", "no"]),
        (("instant", None), ("text", None), [0], ["1970-01-01T00:00:00+00:00"]),
        (("text", None), ("number", None), ["7", " 2.5 "], [7.0, 2.5]),
        (("text", None), ("money", "EUR"), ["12.5", "3"], [1250, 300]),
        (("text", None), ("money", "JPY"), ["12"], [12]),
        (("text", None), ("date", None), ["2027-02-28"], [date(2027, 2, 28)]),
        (("text", None), ("instant", None), ["1970-01-01T01:00:00+01:00"], [0]),
        (("text", None), ("flag", None), ["yes", "False"], [True, False]),
        (("number", None), ("money", "EUR"), [12.34], [1234]),
        (("money", "EUR"), ("number", None), [1234], [12.34]),
        (("flag", None), ("number", None), [True, False], [1.0, 0.0]),
        (("number", None), ("flag", None), [1.0, 0.0], [True, False]),
    ],
)
def test_a_new_type_copies_the_values(
    bare: Store,
    old: tuple[str, str | None],
    new: tuple[str, str | None],
    values: list[Any],
    expected: list[Any],
) -> None:
    before = _vocabulary(Attribute("x", old[0], currency=old[1]))
    after = _vocabulary(Attribute("x", new[0], currency=new[1]))
    apply_changes(bare, before)
    _fill(bare, before, "x", values)
    plan = apply_changes(bare, after)
    assert plan.problems == ()
    assert "will be converted" in plan.sentences[0]
    assert _values(bare, after, "x") == expected
    assert plan_changes(bare, after).empty


@pytest.mark.parametrize(
    ("old", "new", "values"),
    [
        (("text", None), ("number", None), ["7", "many", "nan"]),
        (("text", None), ("money", "EUR"), ["7", "0.005", "Infinity"]),
        (("text", None), ("date", None), ["2027-02-28", "2027-02-30", "today"]),
        (("text", None), ("instant", None), ["2027-02-28T00:00:00+00:00", "2027-02-28T00:00:00", "-"]),
        (("text", None), ("flag", None), ["no", "maybe", ""]),
        (("number", None), ("flag", None), [1.0, 2.0, 0.5]),
    ],
)
def test_values_that_do_not_convert_are_counted_and_not_lost_unasked(
    bare: Store, old: tuple[str, str | None], new: tuple[str, str | None], values: list[Any]
) -> None:
    before = _vocabulary(Attribute("x", old[0], currency=old[1]))
    after = _vocabulary(Attribute("x", new[0], currency=new[1]))
    apply_changes(bare, before)
    _fill(bare, before, "x", values)
    assert plan_changes(bare, after).problems[0].startswith('2 values of "x" cannot be read as ')
    assert (
        "1 value will be converted; 2 values cannot be and will be lost"
        in plan_changes(bare, after).sentences[0]
    )
    with pytest.raises(StoreError) as caught:
        apply_changes(bare, after)
    assert "--prune" in caught.value.what_to_do
    assert _values(bare, before, "x") == values
    apply_changes(bare, after, prune=True)
    got = _values(bare, after, "x")
    assert got[0] is not None
    assert got[1:] == [None, None]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Attribute("x", "money", currency="EUR"), Attribute("x", "money", currency="SEK")),
        (Attribute("x", "instant"), Attribute("x", "date")),
        (Attribute("x", "number"), Attribute("x", "instant")),
    ],
)
def test_what_would_change_its_meaning_is_not_converted(bare: Store, old: Attribute, new: Attribute) -> None:
    apply_changes(bare, _vocabulary(old))
    _fill(bare, _vocabulary(old), "x", [5])
    assert len(plan_changes(bare, _vocabulary(new)).problems) == 1


def test_a_list_and_a_text_become_each_other_where_that_is_one_value(bare: Store) -> None:
    text, listed = _vocabulary(Attribute("x", "text")), _vocabulary(Attribute("x", "list"))
    apply_changes(bare, text)
    _fill(bare, text, "x", ["roses", None])
    apply_changes(bare, listed)
    assert "x" not in _columns(bare)
    with bare.durable("test") as connection:
        for value in ("spades", "roses"):
            connection.execute(
                people.customer_lists.insert().values(customer_id=2, attribute="x", value=value)
            )
    assert plan_changes(bare, text).problems == ('2 values of "x" cannot be read as text',)
    apply_changes(bare, text, prune=True)
    assert _values(bare, text, "x") == ["roses", None]
    with bare.read() as connection:
        assert connection.execute(sa.select(people.customer_lists)).all() == []


def test_a_removed_attribute_is_hidden_and_comes_back_with_its_values(bare: Store) -> None:
    both, one = (
        _vocabulary(Attribute("a", "text"), Attribute("b", "text")),
        _vocabulary(Attribute("a", "text")),
    )
    apply_changes(bare, both)
    _fill(bare, both, "b", ["kept"])
    plan = apply_changes(bare, one)
    assert plan.sentences == (
        'hide the attribute "b"; its values stay until `tidings migrate --prune` deletes them',
    )
    check_vocabulary(bare, one)
    assert plan_changes(bare, one).empty
    assert "b" in _columns(bare)
    assert apply_changes(bare, both).sentences == ('take the attribute "b" back, with the values it had',)
    assert _values(bare, both, "b") == ["kept"]


def test_pruning_deletes_what_was_removed_for_ever(bare: Store) -> None:
    both = _vocabulary(Attribute("a", "text"), Attribute("b", "text"), Attribute("l", "list"))
    one = _vocabulary(Attribute("a", "text"))
    apply_changes(bare, both)
    _fill(bare, both, "b", ["gone"])
    with bare.durable("test") as connection:
        connection.execute(people.customer_lists.insert().values(customer_id=1, attribute="l", value="v"))
        connection.execute(
            people.attribute_changes.insert().values(
                customer_id=1, attribute="b", value="gone", changed_at=1, source="s"
            )
        )
    apply_changes(bare, one)
    plan = apply_changes(bare, one, prune=True)
    assert 'delete the attribute "b" with its 1 value and its history, for ever' in plan.sentences
    assert _columns(bare) == {"customer_id", "a"}
    with bare.read() as connection:
        assert connection.execute(sa.select(people.customer_lists)).all() == []
        assert connection.execute(sa.select(people.attribute_changes)).all() == []
    assert apply_changes(bare, both).sentences[-1] == 'add the attribute "l" (a list)'
    assert _values(bare, both, "b") == [None]


def test_columns_that_sqlite_could_not_tell_apart_are_refused(bare: Store) -> None:
    for attributes in (
        _vocabulary(Attribute("orders", "number"), Attribute("Orders", "number")),
        _vocabulary(Attribute("Customer_ID", "text")),
    ):
        with pytest.raises(StoreError) as caught:
            plan_changes(bare, attributes)
        assert caught.value.code == "store-vocabulary-name"
    apply_changes(bare, _vocabulary(Attribute("Orders", "number")))
    with pytest.raises(StoreError, match='"orders" cannot be kept beside "Orders"'):
        plan_changes(bare, _vocabulary(Attribute("orders", "number")))
    apply_changes(bare, _vocabulary(Attribute("orders", "number")), prune=True)
    assert _columns(bare) == {"customer_id", "orders"}


def test_names_in_any_script_and_of_any_length_work(bare: Store) -> None:
    long = "會員等級與最近一次購買日期以及喜歡的商品類別甲乙丙丁"
    other = long + "戊"
    attributes = _vocabulary(Attribute("город", "text"), Attribute(long, "text"), Attribute(other, "text"))
    apply_changes(bare, attributes)
    assert plan_changes(bare, attributes).empty
    _fill(bare, attributes, long, ["a"])
    assert _values(bare, attributes, long) == ["a"]
    assert _values(bare, attributes, other) == [None]
    assert len(column_name(long).encode()) <= 63
    assert column_name(long) in _columns(bare)
    assert len(_columns(bare)) == 4


def test_the_hash_is_about_what_the_store_must_know() -> None:
    first, *rest = ATTRIBUTES.attributes
    assert vocabulary_hash(Attributes((*rest, first))) == vocabulary_hash(ATTRIBUTES)
    titled = Attributes((replace(first, title="Other", values=("a",)), *rest))
    assert vocabulary_hash(titled) == vocabulary_hash(ATTRIBUTES)
    for other in (replace(first, name="x"), replace(first, type="number"), replace(first, currency="EUR")):
        assert vocabulary_hash(Attributes((other, *rest))) != vocabulary_hash(ATTRIBUTES)


def test_equal_attributes_share_a_table_so_that_statements_are_compiled_once() -> None:
    again = Attributes(tuple(replace(one) for one in ATTRIBUTES.attributes))
    assert again is not ATTRIBUTES
    assert attributes_table(again) is attributes_table(ATTRIBUTES)
    renamed = Attributes((replace(ATTRIBUTES.attributes[0], name="x"), *ATTRIBUTES.attributes[1:]))
    assert attributes_table(renamed) is not attributes_table(ATTRIBUTES)


class Broken(Exception):
    """The process dies here."""


def test_a_change_interrupted_at_any_statement_is_old_or_new(bare: Store) -> None:
    before = _vocabulary(Attribute("a", "text"), Attribute("b", "text"), Attribute("c", "number"))
    after = _vocabulary(Attribute("a", "number"), Attribute("d", "text", was="b"), Attribute("e", "list"))
    apply_changes(bare, before)
    _fill(bare, before, "a", ["1", "2"])
    old = _columns(bare)
    broken, number = True, 0
    while broken:
        number += 1
        seen = [0]

        def _count(*_: object, number: int = number, seen: list[int] = seen) -> None:
            seen[0] += 1
            if seen[0] == number:
                raise Broken

        event.listen(bare._durable, "before_cursor_execute", _count)
        try:
            apply_changes(bare, after, prune=True)
            broken = False
        except Broken:
            assert _columns(bare) == old
            assert _values(bare, before, "a") == ["1", "2"]
            check_vocabulary(bare, before)
        finally:
            event.remove(bare._durable, "before_cursor_execute", _count)
    assert number > 15
    check_vocabulary(bare, after)
    assert _values(bare, after, "a") == [1.0, 2.0]
    assert _columns(bare) == {"customer_id", "a", "d"}
