"""Codes that are read aloud and typed: their check finds slips, pools hold each of them once."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.campaigns.code_signs import LONGEST, SHORTEST, SIGNS, checks_out, new_code
from tidings.campaigns.pools import import_codes, make_codes, pools, withdraw
from tidings.errors import UsageError
from tidings.store.database import Store

LENGTHS = st.integers(SHORTEST, LONGEST)


def test_the_signs_are_those_that_nobody_mistakes_for_each_other() -> None:
    assert len(SIGNS) == 31 and not set(SIGNS) & set("01ILO")
    assert set(SIGNS) < set(string.digits + string.ascii_uppercase)


@given(LENGTHS, st.data())
def test_every_single_wrong_sign_is_found(length: int, data: st.DataObject) -> None:
    code = new_code(length)
    assert checks_out(code) and len(code) == length
    place = data.draw(st.integers(0, length - 1))
    wrong = data.draw(st.sampled_from([one for one in SIGNS if one != code[place]]))
    assert not checks_out(code[:place] + wrong + code[place + 1 :])


@given(LENGTHS, st.data())
def test_every_swap_of_two_signs_is_found(length: int, data: st.DataObject) -> None:
    code = new_code(length)
    one, other = data.draw(st.lists(st.integers(0, length - 1), min_size=2, max_size=2, unique=True))
    signs = list(code)
    signs[one], signs[other] = signs[other], signs[one]
    assert checks_out("".join(signs)) == (code[one] == code[other])


def test_codes_of_a_pool_are_all_different_and_check_out(store: Store) -> None:
    now = store.clock.now()
    assert make_codes(store, "spring25", 2_500, prefix="SPRING-", actor="ann", now=now).added == 2_500
    with store.read() as connection:
        (pool,) = pools(connection)
        from tidings.store.tables import money

        codes = list(connection.execute(money.codes.select()).all())
    assert (pool.name, pool.free, pool.reserved, pool.redeemed, pool.withdrawn) == (
        "spring25",
        2_500,
        0,
        0,
        0,
    )
    assert len({row.code for row in codes}) == 2_500
    assert all(
        row.code.startswith("SPRING-") and checks_out(row.code.removeprefix("SPRING-")) for row in codes
    )


def test_codes_of_a_file_are_added_once_and_a_bad_line_adds_none(store: Store) -> None:
    now = store.clock.now()
    with pytest.raises(UsageError, match="line 3 is no code: 'C C'"):
        import_codes(store, "spring25", ["A\n", "\n", "C C\n"], actor="ann", now=now)
    assert import_codes(store, "spring25", ["A1", " A2 ", "", "A1"], actor="ann", now=now).added == 2
    done = import_codes(store, "autumn", ["A2", "A3"], actor="ann", now=now)
    assert (done.added, done.known) == (1, 1)
    with pytest.raises(UsageError, match="holds no codes"):
        import_codes(store, "spring25", ["", " "], actor="ann", now=now)


def test_free_codes_are_withdrawn_and_others_only_by_name(store: Store) -> None:
    now = store.clock.now()
    import_codes(store, "spring25", ["A1", "A2", "A3"], actor="ann", now=now)
    with pytest.raises(UsageError, match='"A9" is no code of spring25'):
        withdraw(store, "spring25", ["A1", "A9"], actor="ann", now=now)
    assert withdraw(store, "spring25", ["A1"], actor="ann", now=now) == 1
    assert withdraw(store, "spring25", actor="ann", now=now) == 2
    with store.read() as connection:
        assert [one.withdrawn for one in pools(connection)] == [3]
    with pytest.raises(UsageError, match='there is no pool "autumn"'):
        withdraw(store, "autumn", actor="ann", now=now)


@pytest.mark.parametrize(
    ("pool", "count", "more", "says"),
    [
        ("spring 25", 1, {}, "no name of a pool"),
        ("spring25", 0, {}, "no number of codes"),
        ("spring25", 1, {"length": 5}, "5 signs cannot be made"),
        ("spring25", 1, {"prefix": "sp"}, '"sp" cannot stand before a code'),
    ],
)
def test_what_cannot_be_made_is_said(store: Store, pool: str, count: int, more: dict, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make_codes(store, pool, count, actor="ann", now=store.clock.now(), **more)
