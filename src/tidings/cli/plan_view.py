"""A plan as a marketer reads it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from tidings.campaigns.plan import Plan
from tidings.cli.counted import counted, people
from tidings.clock import from_micros
from tidings.customers.refusals import they
from tidings.definitions.money import format_money, format_price

# Lines of the curve, and zones in each.
_HOURS, _ZONES = 8, 4


def plan_lines(plan: Plan, zone: ZoneInfo, audience_names: str) -> list[tuple[str, str]]:
    """Return the plan as pairs of a short label and a sentence; the label is empty where the line goes on."""
    lines: list[tuple[str, str]] = []

    def add(label: str, sentence: str) -> None:
        lines.append((label, sentence))

    def wall(micros: int) -> str:
        return from_micros(micros).astimezone(zone).strftime("%Y-%m-%d %H:%M")

    when = "when you run it" if plan.anchor_is_now else wall(plan.anchor_at)
    if plan.recurring:
        when = f"{when} for {plan.occurrence}"
    if plan.clock == "recipient" and not plan.anchor_is_now:
        when = f"from {when}, by each recipient's own clock"
    hours = (plan.expires_at - plan.anchor_at) / 3_600_000_000
    add("goes out", f"{when}; what is not out {hours:g} hours later is not sent")
    for sentence in clock_lines(plan, zone):
        add("", sentence)
    add("audience", f"{people(plan.audience)} in {audience_names}")
    if plan.sample:
        share, of = plan.sample
        add("", f"a sample of {share / 100:g} % of {people(of)}, the same ones each time")
    if plan.entering is not None:
        add("", f"since the plan before: {plan.entering:,} came in, {plan.leaving or 0:,} left")
    for code, count in plan.refusals:
        add(
            "refused" if code == plan.refusals[0][0] else "",
            f"{count:,} {they(code)} ({code})",
        )
    if plan.control:
        add("control", f"{plan.control:,} are in the global control and get nothing")
    add("writes to", _written(plan) + _by_variant(plan))
    if len(plan.legs) > 1:
        for label, sentence in reach_lines(plan):
            add(label, sentence)
    else:
        for channel, count in plan.messages:
            add("messages", f"{count:,} by {channel}")
    if plan.copies:
        add(
            "copies",
            f"{plan.copies:,} of the staff get {counted(plan.copy_messages, 'message')} that nothing counts",
        )
    for label, sentence in cost_lines(plan):
        add(label, sentence)
    add("holds out", f"{people(plan.held_out)} ({plan.holdout.share / 100:g} %; {plan.holdout.reason})")
    if plan.goal is None:
        add("shows", "nothing: the campaign has no goal")
    elif plan.power is None:
        add("shows", f"no effect on {plan.goal}: there is nobody, or nothing, to compare with")
    else:
        power = plan.power
        add(
            "shows",
            f"{power.base_rate:.1%} did {plan.goal} {power.basis}; a lift of {power.detectable * 100:.2f} points "
            "or more will be seen (4 times in 5)",
        )
        worth = (
            f", {format_money(power.holdout_worth, power.currency)}"
            if power.holdout_worth is not None and power.currency
            else ""
        )
        add(
            "price",
            f"the holdout forgoes about {power.holdout_price:.0f} times {plan.goal}{worth} at that lift",
        )
    return lines


def clock_lines(plan: Plan, zone: ZoneInfo) -> list[str]:
    """Return by which hour and zone the messages leave, whom the window moves, and of whom no zone is known."""
    lines = []
    shown: dict[str, list[str]] = {}
    for one in plan.curve:
        hour = from_micros(one.at).astimezone(zone).strftime("%Y-%m-%d %H:00")
        shown.setdefault(hour, []).append(f"{one.zone} {one.messages:,}")
    for hour, parts in list(shown.items())[:_HOURS]:
        rest = f" and {len(parts) - _ZONES} zones more" if len(parts) > _ZONES else ""
        lines.append(f"{hour}  {', '.join(parts[:_ZONES])}{rest}")
    if len(shown) > _HOURS:
        lines.append(f"and {len(shown) - _HOURS} hours more")
    if plan.late:
        lines.append(f"{plan.late:,} of them at once: their hour is past already")
    if plan.moved:
        lines.append(f"{plan.moved:,} later than written, when their hours allow it")
    for channel, count in plan.unknown_zones:
        lines.append(f"{count:,} by {channel} live in a zone that is not known")
    return lines


def reach_lines(plan: Plan) -> list[tuple[str, str]]:
    """Return whom the channels reach, first and after fallback, and why the rest is reached by none."""
    first = ", then ".join(f"{leg.channel} {leg.messages:,}" for leg in plan.legs)
    none = [(code, count) for code, count in plan.refusals if code != "same_address"]
    why = ", ".join(f"{count:,} {they(code)}" for code, count in none)
    lines = [
        (
            "messages",
            f"by {first}" + (f"; {plan.unreached:,} by none of them, because {why}" if none else ""),
        )
    ]
    later = [f"{leg.channel} reaches {leg.later:,}" for leg in plan.legs if leg.later]
    if later:
        lines.append(("fallback", f"of those whom an earlier one fails, {', '.join(later)}"))
    return lines


def cost_lines(plan: Plan) -> list[tuple[str, str]]:
    """Return what each channel and each fixed cost comes to, and all of it against the budget."""
    lines: list[tuple[str, str]] = []
    parts = []
    for one in plan.costs:
        if one.messages:
            units = f" of {one.units:.2g} {one.unit}s each" if one.unit != "message" else ""
            about = "about " if one.estimated else "" if one.unit == "message" else "at least "
            parts.append(
                f"{one.messages:,} by {one.channel}{units} at {format_price(one.millionths, one.currency)}: "
                f"{about}{format_money(one.cost, one.currency)}"
            )
    parts += [f"{name} {format_money(cost, currency)}" for name, cost, currency in plan.fixed_costs]
    simple = len(parts) < 2 and not any(one.unit != "message" for one in plan.costs)
    if not simple:
        lines += [("costs" if place == 0 else "", part) for place, part in enumerate(parts)]
    if plan.cost is None or not plan.cost_currency:
        return lines
    budget = (
        f" of a budget of {format_money(plan.budget, plan.budget_currency)}"
        if plan.budget is not None and plan.budget_currency
        else ""
    )
    most = (
        f"; {format_money(plan.cost_most, plan.cost_currency)} if every channel had to be tried"
        if plan.cost_most is not None and plan.cost_most > plan.cost
        else ""
    )
    return [*lines, ("cost", format_money(plan.cost, plan.cost_currency) + budget + most)]


def _written(plan: Plan) -> str:
    if plan.unit == "customer":
        return people(plan.people)
    covered = dict(plan.covered).get("treated", 0)
    return (
        f"{plan.people:,} accounts, one of each; {covered:,} more people of these get no message of their own"
    )


def _by_variant(plan: Plan) -> str:
    variants = [arm for arm in plan.arms if arm.arm == "treated" and arm.variant]
    if not variants:
        return ""
    return ": " + ", ".join(f"{arm.variant} {arm.customers:,}" for arm in variants)


def print_plan(plan: Plan, zone: ZoneInfo, audience_names: str) -> None:
    """Print the plan with its hash and the command that runs it."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"[bold]{plan.title}[/bold]  ({plan.campaign}, {plan.purpose})   plan {plan.hash}")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for label, sentence in plan_lines(plan, zone, audience_names):
        grid.add_row(f"  {label}", sentence)
    console.print(grid)
