"""The table of fax results: every code has a meaning, and nobody is struck off for a busy line."""

from __future__ import annotations

import pytest

from tidings.channels.fax_numbers import dial_string, e164
from tidings.channels.fax_results import T30_RESULTS, failed, hylafax_result, t30_result
from tidings.channels.protocol import Kind, Scope


def test_every_t30_result_has_words_and_unknown_ones_are_tried_again() -> None:
    assert set(range(49)) <= set(T30_RESULTS)
    assert all(one.words for one in T30_RESULTS.values())
    assert t30_result(4711).again


def test_only_what_the_other_machine_can_never_take_is_permanent() -> None:
    lasting = {code for code, one in T30_RESULTS.items() if one.permanent and one.scope == Scope.RECIPIENT}
    assert lasting == {8, 10, 11, 12}
    assert not any(one.again and one.permanent for one in T30_RESULTS.values())


@pytest.mark.parametrize("words", ["Busy signal detected", "No answer from remote", "No carrier detected",
                                   "No local dialtone", "Failed to properly detect high-speed data carrier.", ""])  # fmt: skip
def test_what_a_line_does_is_tried_again_after_five_minutes(words: str) -> None:
    outcome = failed(hylafax_result(words), "why")
    assert (outcome.kind, outcome.scope, outcome.retry_after) == (Kind.TRANSIENT, Scope.RECIPIENT, 300)


def test_a_fax_that_cannot_be_taken_is_rejected() -> None:
    outcome = failed(t30_result(8), "why")
    assert (outcome.kind, outcome.scope, outcome.retry_after) == (Kind.REJECTED, Scope.RECIPIENT, None)
    outcome = failed(t30_result(41), "why")
    assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.CONTENT)


def test_numbers_are_e164_or_nothing() -> None:
    assert e164("+46812345678") == "+46812345678"
    assert e164("+0812345678") is None
    assert dial_string("0812345678") is None
    assert dial_string("+46812345678") == "+46812345678"
