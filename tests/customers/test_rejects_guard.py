"""No cell of a file of rejects runs as a formula, and each comes back as it stood."""

from __future__ import annotations

import pytest

from tidings.customers.rejects import guarded, unguarded


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+cmd", "-x", "@SUM(1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0bx", "\uff0dx", "\uff20x"],
)
def test_what_begins_like_a_formula_gets_an_apostrophe_that_is_taken_off_again(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"
    assert unguarded(guarded(cell)) == cell


@pytest.mark.parametrize("cell", ["", "-12.50", "+46 70 174 06 01", "Anna", "'quoted'"])
def test_numbers_and_names_stay_as_they_are(cell: str) -> None:
    assert guarded(cell) == cell == unguarded(cell)
