"""What becomes of a journey that is asked at a step, as numbers in the temporary table and as words in its history."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tidings.definitions.kinds.flow import Flow, Step
from tidings.flows.journeys.conditions import words

REACHED = 0
# Not due after all: asked again at another instant.
LATER = 1
# A wait begins, or goes on.
WAITING = 2
ANSWERED = 3
UNANSWERED = 4
# Passed over, because the day of `wait_until` is not known, or was over before the customer came to the step.
NO_DAY = 5
PAST_DAY = 6
# Been there already, by the order of steps of an earlier version: goes on as if it had not come here.
BEEN = 7
# Left, because the customer was found to be another one, was erased, or by the condition of that number.
MERGED = 99
ERASED = 100
LEFT = 101
# Passed over, by the condition of that number.
PASSED = 10_000

Verdict = sa.ColumnElement[int]


def left(verdict: Verdict) -> sa.ColumnElement[bool]:
    """Return the condition that a customer left the flow."""
    return verdict.between(MERGED, PASSED - 1)


def passed_over(verdict: Verdict) -> sa.ColumnElement[bool]:
    """Return the condition that the step was passed over."""
    return sa.or_(verdict >= PASSED, verdict.in_([NO_DAY, PAST_DAY]))


def may_pass(step: Step) -> bool:
    """Tell whether a step may be passed over."""
    return bool(step.when) or step.wait_until is not None


def may_stay(step: Step) -> bool:
    """Tell whether somebody who is asked at a step may stay there, to be asked again."""
    return step.quiet or step.wait_until is not None or step.wait_for is not None


def what(verdict: Verdict) -> sa.ColumnElement[str]:
    """Return the word that a journey's history keeps."""
    return sa.case(
        (verdict.in_([REACHED, WAITING]), "reached"),
        (verdict == ANSWERED, "answered"),
        (verdict == UNANSWERED, "unanswered"),
        (left(verdict), "left"),
        else_="passed",
    )


def detail(
    verdict: Verdict, flow: Flow, step: Step, reached: sa.ColumnElement[str | None]
) -> sa.ColumnElement[str | None]:
    """Return the rule that decided, in words; `reached` is what is said of those who reached the step."""
    whens: list[tuple[sa.ColumnElement[bool], sa.ColumnElement[str | None]]] = [
        (verdict == REACHED, reached),
        (verdict == MERGED, _text("the customer was merged into another")),
        (verdict == ERASED, _text("the customer was erased")),
    ]
    whens += _numbered(verdict, LEFT, [words(one) for one in flow.leave_when])
    whens += _numbered(verdict, PASSED, [f"not {words(one)}" for one in step.when])
    if step.wait_until is not None:
        whens.append((verdict == NO_DAY, _text(f"{step.wait_until.date} is not known")))
        whens.append((verdict == PAST_DAY, _text("the day was over already")))
    if step.wait_for is not None:
        waited = f"did: {step.wait_for.event}"
        whens.append((verdict == ANSWERED, _text(waited)))
        whens.append((verdict == UNANSWERED, _text(f"not {waited} within {step.wait_for.up_to}")))
        whens.append((verdict == WAITING, _text(f"waits for {waited}")))
    return sa.case(*whens, else_=sa.null())


def _numbered(
    verdict: Verdict, first: int, sentences: Sequence[str]
) -> list[tuple[sa.ColumnElement[bool], sa.ColumnElement[str | None]]]:
    return [(verdict == first + number, _text(one)) for number, one in enumerate(sentences)]


def _text(said: str) -> sa.ColumnElement[str | None]:
    return sa.literal(said, sa.Text)
