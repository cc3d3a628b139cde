"""The page of one campaign for a manager: what was asked, what came of it, how sure that is, and how it was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.clock import from_micros
from tidings.customers.refusals import they
from tidings.measurement.metrics import HOLDOUT
from tidings.measurement.words import headlines, p_value
from tidings.papers.charts.figures import ArmFunnel
from tidings.papers.charts.funnel import funnel
from tidings.papers.charts.ink import NONE
from tidings.papers.charts.intervals import intervals
from tidings.papers.economics_section import economics_section
from tidings.papers.effect_figures import key_figures, panels
from tidings.papers.paper import Block, Grid, KeyFigures, Paper, Picture, Points, Section, Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidings.definitions.workspace import Definitions
    from tidings.measurement.report import Report

_STAGES = {
    "enrolled": "customers enrolled",
    "messages": "messages",
    "accepted": "accepted by the provider",
    "delivered": "delivered",
    "opened": "opened by people",
    "clicked": "clicked by people",
    "unsubscribed": "unsubscribed",
    "converted": "customers who did it",
}
_ASIDE = {
    "waiting": "still waiting",
    "bounced": "bounced",
    "complained": "reported as spam",
    "in_doubt": "in doubt",
    "rejected": "rejected by the provider",
    "refused": "refused by a rule",
    "cancelled": "cancelled",
    "machine": "opened or clicked by programs only",
}
# What a holdout cannot have, for nobody wrote to it.
_OF_MESSAGES = frozenset({*_STAGES, *_ASIDE} - {"enrolled", "converted"})
_HOW = (
    (
        "Customers were drawn into arms by chance before anything was sent, and each counts in the arm it was drawn into, "
        "whether a message reached it or not (intention to treat). Every arm has the same time after its start."
    ),
    (
        "An interval of 95 % is made so that in 95 of 100 such campaigns it holds the true value. A filled dot means that "
        "no effect at all lies outside the interval, a hollow one that the campaign may have changed nothing."
    ),
)


def campaign_page(report: Report, definitions: Definitions, more: Sequence[Section] = ()) -> Paper:
    """Return the page of a report. `more` are sections on money or promotions; they stand after the funnel."""
    local = report.as_of.astimezone(report.zone)
    workspace = definitions.workspace
    sections = [_first(report)]
    if report.begun:
        sections += [_effects(report), _asked(report, definitions)]
        if report.run.kind != "experiment":
            sections.append(_funnel(report))
        if not report.maturity.silent:
            sections.append(economics_section(report.economics))
        sections += [*more, _refused(report), _measured(report)]
    return Paper(
        title=report.title,
        above=f"{workspace.title} | what the campaign caused",
        facts=_facts(report, definitions),
        sections=tuple(section for section in sections if section.blocks),
        foot=f"{workspace.title} | {report.campaign} | as things had happened by {local:%Y-%m-%d %H:%M}",
        made_at=report.as_of,
        locale=workspace.locale,
        summary=tuple(headlines(report.findings())) or report.warnings or report.notes[:2],
    )


def _facts(report: Report, definitions: Definitions) -> tuple[tuple[str, str], ...]:
    run = report.run
    began = from_micros(run.anchor_at).astimezone(report.zone)
    campaign = definitions.campaigns.get(report.campaign)
    found = [("Campaign", report.campaign)]
    if run.kind == "experiment":
        found.append(("Test", "imported, it ran elsewhere"))
    else:
        of = f", {run.place} of {run.runs}" if run.runs > 1 else ""
        found.append(("Run", f"{run.id}{of}, {run.state}, begun {began:%Y-%m-%d %H:%M}"))
    if campaign is not None and campaign.owner:
        found.append(("Owner", campaign.owner))
    if campaign is not None and campaign.serves and definitions.goals is not None:
        goal = next((one for one in definitions.goals.goals if one.id == campaign.serves), None)
        found += [("Serves", goal.title)] if goal is not None else []
    arms = ", ".join(f"{arm.name} {arm.customers:,}" for arm in report.arms) or "nobody"
    return (*found, ("Arms", f"{arms} customers" if report.arms else arms))


def _first(report: Report) -> Section:
    """Return what is read first: warnings, then the key figures, then the findings in words."""
    blocks: list[Block] = [Words(words, "warning") for words in report.warnings]
    if not report.begun:
        return Section("", tuple(blocks))
    if report.maturity.early:
        blocks.append(Words(report.maturity.sentences(report.zone)[0], "warning"))
    figures = key_figures(report)
    if figures:
        blocks.append(KeyFigures(figures))
    said = headlines(report.findings())
    blocks.append(
        Points(tuple(said)) if said else Words("No effect can be told yet; the notes below say why.")
    )
    return Section("", tuple(blocks))


def _asked(report: Report, definitions: Definitions) -> Section:
    from tidings.definitions.aloud import sentence

    one = definitions.campaigns.get(report.campaign) or definitions.flows.get(report.campaign)
    if one is None:
        return Section("What was asked", ())
    blocks: list[Block] = [Words(sentence(one, definitions))]
    if one.why:
        blocks.append(Words(f"Why: {one.why}", "dim"))
    return Section("What was asked", tuple(blocks))


def _effects(report: Report) -> Section:
    shown = panels(report.findings())
    if not shown:
        return Section("What it caused", ())
    doubtful = " The arms are not as drawn: none of this can be believed." if report.ratio.alarm else ""
    pictures = [
        Picture(
            f"effects-{place}",
            intervals(f"{panel.title}: effects of {report.title}", [panel]),
            f"{panel.title}: effects with their 95 % intervals about the line of no effect",
        )
        for place, panel in enumerate(shown, 1)
    ]
    under = Words(f"Differences for each customer drawn into an arm.{doubtful}", "dim")
    return Section("What it caused", (*pictures, under))


def _unconfirmed(report: Report) -> str:
    """Return what a reader has to know of the line `delivered` where some channels confirm nothing."""
    counts = [row.as_json() for row in report.funnel if row.arm != HOLDOUT]
    accepted, delivered = (sum(one[key] or 0 for one in counts) for key in ("accepted", "delivered"))
    return (
        " Delivered is what a channel confirmed; mail servers confirm nothing."
        if delivered < accepted
        else ""
    )


def _funnel(report: Report) -> Section:
    arms, rows = [], [(row, row.as_json()) for row in report.funnel]
    for row, counts in rows:
        held = row.arm == HOLDOUT
        values = [None if held and key in _OF_MESSAGES else counts[key] for key in _STAGES]
        arms.append(ArmFunnel(row.arm, tuple(values)))
    blocks: list[Block] = [
        Picture(
            "funnel",
            funnel(f"From enrolled to converted: {report.title}", tuple(_STAGES.values()), arms),
            "How far each arm came, as shares of those enrolled in it",
            "Shares are of the customers enrolled in the same arm." + _unconfirmed(report),
        )
    ]
    aside = tuple(
        (words, *(NONE if row.arm == HOLDOUT else f"{counts[key] or 0:,}" for row, counts in rows))
        for key, words in _ASIDE.items()
        if any(counts[key] for _, counts in rows)
    )
    if aside:
        head = ("messages", *(row.arm for row, _ in rows))
        blocks.append(Grid(head, aside, frozenset(range(1, len(head))), "What else became of the messages"))
    return Section("From enrolled to converted", tuple(blocks))


def _refused(report: Report) -> Section:
    rows = tuple((f"{one.customers:,}", they(one.code), one.code, one.when) for one in report.refusals)
    if not rows:
        return Section("Who got nothing, and why", ())
    grid = Grid(("customers", "because they", "code", "found when"), rows, frozenset({0}))
    return Section("Who got nothing, and why", (grid,))


def _measured(report: Report) -> Section:
    ratio = report.ratio
    against = "equal sizes, as no plan says others" if report.ratio_assumed else "the sizes planned"
    if ratio.p is None:
        drawn = f"Whether the arms have the sizes that were drawn was not tested: {ratio.reason}."
    elif ratio.alarm:
        drawn = f"The arms do not have the sizes that were drawn (p = {p_value(ratio.p)} against {against})."
    else:
        drawn = f"The arms have the sizes that were drawn (p = {p_value(ratio.p)} against {against})."
    blurred = report.contamination.sentences() if report.contamination else []
    points = (drawn, *report.maturity.sentences(report.zone), *report.notes, *blurred)
    return Section("How this was measured", (Points(points), *(Words(words, "dim") for words in _HOW)))
