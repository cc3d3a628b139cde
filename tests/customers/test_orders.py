from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tidings.customers.orders import Line, Sold, new_lines, sold


def line(item: str, quantity: int = 1, price: int = 100, name: str | None = None) -> Line:
    return Line(item, name, Decimal(quantity), price, Decimal(quantity * price) / 100)


def known(*lines: Line) -> Counter[Sold]:
    return Counter(sold(one.item, one.quantity, one.price) for one in lines)


def test_the_same_lines_add_nothing_in_any_order_and_under_any_name() -> None:
    assert new_lines(known(line("a"), line("b")), [line("b", name="new name"), line("a")]) == []


def test_more_lines_are_added_and_fewer_take_nothing_away() -> None:
    assert new_lines(known(line("a")), [line("a"), line("b")]) == [line("b")]
    assert new_lines(known(line("a"), line("b")), [line("a")]) == []


def test_the_two_halves_of_an_order_become_one() -> None:
    assert new_lines(known(line("a"), line("b")), [line("b"), line("c")]) == [line("c")]


def test_equal_lines_count_as_often_as_in_the_fuller_file() -> None:
    assert new_lines(known(line("a")), [line("a"), line("a")]) == [line("a")]
    assert new_lines(known(line("a"), line("a")), [line("a")]) == []


def test_a_corrected_line_is_not_counted_twice() -> None:
    assert new_lines(known(line("a", 6), line("b")), [line("a", 5), line("b")]) is None
    assert new_lines(known(line("a", 1, 100)), [line("a", 1, 90), line("c")]) is None


def test_a_quantity_reads_the_same_from_either_database() -> None:
    assert sold("a", Decimal("0.100000"), 1) == sold("a", 0.1, 1)


lines = st.lists(st.builds(line, st.sampled_from("abc"), st.integers(1, 2)), max_size=5)


@given(lines, lines)
def test_merging_is_settled_after_one_time(stored: list[Line], told: list[Line]) -> None:
    added = new_lines(known(*stored), told)
    if added is not None:
        merged = [*stored, *added]
        assert new_lines(known(*merged), told) == []
        assert new_lines(known(*merged), stored) == []
