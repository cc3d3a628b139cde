"""How customers moved, for the page of the company: the ladder as a chart, and the sums of each movement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidings.measurement.movement.asking import ask
from tidings.measurement.movement.moves import MOVEMENTS
from tidings.measurement.movement.span import Span
from tidings.measurement.promotions.words import amount
from tidings.papers.charts.figures import Step
from tidings.papers.charts.ink import NONE
from tidings.papers.charts.ladder import ladder
from tidings.papers.paper import Block, Grid, KeyFigure, Picture, Words

if TYPE_CHECKING:
    from tidings.measurement.movement import moves
    from tidings.measurement.movement.asking import Kpi
    from tidings.papers.company_page import Company

_BALANCE = (
    "Start + came \u2212 went = end on every step. They came from outside the ladder, from a step below or above, and "
    "went up, down or off it."
)


def movement_blocks(of: Company) -> tuple[Sequence[Block], Sequence[KeyFigure]]:
    """Return the blocks and the figures to see first. Raises UsageError where nothing says what a purchase is."""
    span = Span(of.first, of.last, of.zone, of.now)
    kpi = ask(of.store, of.definitions, span, parts=("ladder",))
    assert kpi.moves is not None
    blocks: list[Block] = [ladder_picture(kpi.moves, kpi.span), movements(kpi, kpi.moves)]
    return [*blocks, *(Words(words, "dim") for words in kpi.words)], movement_figures(kpi, kpi.moves)


def ladder_picture(found: moves.Moves, span: Span) -> Picture:
    """Return the ladder as a chart, from the first day of a time through the last."""
    steps = [drawn_step(one) for one in found.steps]
    return Picture(
        "ladder",
        ladder("How customers moved along the ladder", steps, start=f"{span.first}", end=f"{span.last}"),
        "Each step of the ladder with who stood on it, who went, who came and who stands there now",
        _BALANCE,
    )


def movement_figures(kpi: Kpi, found: moves.Moves) -> list[KeyFigure]:
    """Return the figures to see first: revenue, active customers, new and lost ones."""
    net, returned = _shown(kpi, kpi.revenue.net), _shown(kpi, kpi.revenue.returned)
    change = found.end - found.start
    return [
        KeyFigure(net, "revenue, net of returns", f"{kpi.revenue.orders:,} orders, {returned} came back"),
        KeyFigure(
            f"{found.end:,}",
            "active customers at the end",
            (f"{change:+,} since the start" if change else "as many as at the start").replace("-", "\u2212"),
        ),
        KeyFigure(
            f"{found.kinds['new'].customers:,}",
            "new customers",
            f"{found.kinds['reactivated'].customers:,} came back",
        ),
        KeyFigure(f"{found.kinds['lost'].customers:,}", "customers lost", _kept(found.kept)),
    ]


def _shown(kpi: Kpi, minor: int) -> str:
    """Return an amount as a figure to see first: a large one without its decimals."""
    value = kpi.money.major(minor)
    return NONE if value is None else amount(value, kpi.money.currency).replace("-", "\u2212")


def drawn_step(step: moves.Step) -> Step:
    """Return a step of the ladder as its chart wants it; moves upwards come first."""
    came = (
        ("outside", step.from_outside),
        ("below", step.from_below),
        ("above", step.from_above),
    )
    went = (("up", step.to_above), ("down", step.to_below), ("off it", step.to_outside))
    return Step(step.title, step.start, step.end, came, went)


def _kept(share: float | None) -> str:
    return "nobody was active at the start" if share is None else f"{share:.1%} of those at the start stayed"


def movements(kpi: Kpi, found: moves.Moves) -> Grid:
    """Return the sums of each movement as a table."""
    money, rows = kpi.money, []
    for name in MOVEMENTS:
        sums, rate = found.kinds[name], found.rate(name)
        value = money.say(sums.value) if money.currency else NONE
        before = money.say(sums.earlier) if money.currency else NONE
        rows.append((name, f"{sums.customers:,}", NONE if rate is None else f"{rate:.1%}", value, before))
    return Grid(
        ("movement", "customers", "of those active at the start", "bought, net", "in the time before"),
        tuple(rows),
        frozenset({1, 2, 3, 4}),
    )
