"""The page of the goals of the company: how each stands, on a chart and in figures, what serves it, and when it is reviewed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidings.papers.charts.figures import GoalLine
from tidings.papers.charts.ink import NONE
from tidings.papers.charts.progress import progress
from tidings.papers.goals_section import goals_grid, written
from tidings.papers.paper import Block, Grid, KeyFigure, KeyFigures, Paper, Picture, Points, Section, Words

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from tidings.definitions.workspace import Definitions
    from tidings.measurement.scorecard.asking import GoalCard, Scorecard
    from tidings.measurement.scorecard.serving import Serving

_CAPTION = "In parts of the target. Plan is what was due by now; the interval of a forecast holds four of five cases."


def scorecard_page(found: Scorecard, definitions: Definitions, zone: ZoneInfo, now: datetime) -> Paper:
    """Return the page of a scorecard; without goals it says what to do."""
    workspace, local = definitions.workspace, now.astimezone(zone)
    sections = [Section("", tuple(_first(found)))]
    if found.cards:
        sections.append(Section("Plan and actual", (_picture(found.cards), goals_grid(found.cards))))
        sections.append(Section("Behind each goal", tuple(_behind(found.cards))))
    if found.aimless:
        names = ", ".join(f"{title or name}" for _, name, title in found.aimless)
        sections.append(Section("What serves no goal", (Words(f"{names}."),)))
    return Paper(
        title=found.title or f"Goals of {workspace.title}",
        above=workspace.title,
        facts=(("As of", f"{found.day}"), ("Made", f"{local:%Y-%m-%d %H:%M}, clock of {zone.key}")),
        sections=tuple(sections),
        foot=f"{workspace.title} | goals as of {found.day}",
        made_at=now,
        locale=workspace.locale,
    )


def _first(found: Scorecard) -> list[Block]:
    blocks: list[Block] = []
    if found.cards:
        score = NONE if found.score is None else f"{found.score:.0%}"
        counts = {name: sum(card.status == name for card in found.cards) for name in ("reached", "on course", "in danger", "missed")}  # fmt: skip
        blocks.append(
            KeyFigures(
                (
                    KeyFigure(
                        score, "of what was due by now is there", "by weight; more than due counts as all"
                    ),
                    KeyFigure(
                        f"{counts['reached'] + counts['on course']:,}",
                        "goals on course",
                        f"{counts['reached']:,} of them reached",
                    ),
                    KeyFigure(f"{counts['in danger']:,}", "in danger"),
                    KeyFigure(f"{counts['missed']:,}", "missed"),
                )
            )
        )
    alarms = tuple(_sentence(f"{card.goal.title}: {card.reason}") for card in found.alarming if card.reason)
    blocks += [Points(alarms)] if alarms else []
    return [*blocks, *(Words(words, "dim") for words in found.words)]


def _picture(cards: Sequence[GoalCard]) -> Picture:
    lines = [goal_line(card) for card in cards if float(card.goal.target) > 0]
    return Picture(
        "goals",
        progress("Goals on the way to their targets", lines),
        "For each goal what is there, what was due by now and the forecast, in parts of its target",
        _CAPTION,
    )


def goal_line(card: GoalCard) -> GoalLine:
    """Return a goal in parts of its target, as its chart wants it."""
    target, expected = float(card.goal.target), card.forecast
    begun = card.status != "not yet begun"

    def part(value: float | None) -> float | None:
        return None if value is None or not begun else max(value, 0.0) / target

    actual = "not begun" if not begun else "not known" if card.actual is None else written(card, card.actual)
    words = f"{actual} of {written(card, target)}"
    if expected is not None and begun:
        words += f"; forecast {written(card, expected.value)}"
        if expected.low is not None and expected.high is not None:
            words += f" ({written(card, max(expected.low, 0.0), bare=True)} to {written(card, expected.high, bare=True)})"
    sure = expected is not None and expected.low is not None and expected.high is not None
    return GoalLine(
        card.goal.title,
        f"{card.status}, by {card.goal.by}",
        words,
        part(card.actual),
        part(card.plan),
        part(expected.value) if expected else None,
        part(expected.low) if expected and sure else None,
        part(expected.high) if expected and sure else None,
    )


def _behind(cards: Sequence[GoalCard]) -> list[Block]:
    blocks: list[Block] = []
    for card in cards:
        goal, review = card.goal, card.review
        said = [
            _sentence(
                f"{goal.title}: {card.status}, {card.reason}"
                if card.reason
                else f"{goal.title}: {card.status}"
            )
        ]
        said += [_sentence(words) for words in card.words]
        said.append(f"{goal.owner} answers for it; {_review(card)}." if review.every else f"{goal.owner} answers for it.")  # fmt: skip
        blocks.append(Words(" ".join(said)))
        if card.serving:
            head = ("what serves it", "credited", "conversions", "caused (95 %)")
            rows = tuple(_serving(one, card) for one in card.serving)
            blocks.append(Grid(head, rows, frozenset({1, 2})))
        elif goal.kind != "project":
            blocks.append(Words("No campaign and no flow serves it.", "dim"))
    return blocks


def _review(card: GoalCard) -> str:
    review = card.review
    if review.overdue is not None:
        return f"its review is overdue since {review.overdue}"
    return f"reviewed next on {review.next}" if review.next is not None else "no review is left"


def _serving(one: Serving, card: GoalCard) -> tuple[str, ...]:
    from tidings.definitions.money import format_money

    credited = format_money(one.credited, card.goal.currency).replace("-", "\u2212") if one.credited is not None and card.goal.currency else NONE  # fmt: skip
    conversions = NONE if one.conversions is None else f"{one.conversions:,.1f}"
    caused = []
    for effect in one.caused[:2]:
        limits = " to ".join(_signed(end) for end in effect.interval or ())
        caused.append(f"{_signed(effect.total)} {effect.metric}" + (f" ({limits})" if limits else ""))
    told = "; ".join(caused) or one.why_not or NONE
    return one.title or one.name, credited, conversions, told


def _signed(value: float) -> str:
    return f"{value:+,.0f}".replace("-", "\u2212")


def _sentence(words: str) -> str:
    text = words.rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
