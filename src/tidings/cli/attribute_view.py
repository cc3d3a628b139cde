"""Credit as a marketer reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tidings.cli.report_tables import print_parted, table
from tidings.definitions.money import format_money, from_minor
from tidings.measurement.attribution.answer import shown_period

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tidings.measurement.attribution.answer import Answer, Line
    from tidings.measurement.attribution.kept import Changed
    from tidings.measurement.attribution.models import Tuning
    from tidings.measurement.attribution.path_file import PathsAnswer

NOT_CAUSE = (
    "Credit says who stood on the way to a conversion. It does not say what would have come without them."
)

TITLES = {
    "first": "first",
    "last": "last",
    "linear": "linear",
    "time_decay": "time decay",
    "position": "position",
    "markov": "Markov",
    "shapley": "Shapley",
}


def console() -> Console:
    """Return the terminal, or a page of 100 columns where the output is piped."""
    found = Console(highlight=False, markup=False)
    return found if found.is_terminal else Console(highlight=False, markup=False, width=100)


def numbers(values: Sequence[float]) -> list[str]:
    """Return a column of conversions: whole numbers where all are, else one decimal for each."""
    whole = all(abs(value - round(value)) < 0.005 for value in values)
    return [f"{value:,.0f}" if whole else f"{value:,.1f}" for value in values]


def print_grid(
    screen: Console, first: str, names: Sequence[str], columns: dict[str, list[str]], title: str = ""
) -> None:
    """Print a table of one column of names and others of numbers; the line `all` stands apart."""
    headings = list(columns)

    def show(places: list[int]) -> Table:
        page = table("")
        page.add_column(first, overflow="fold")
        for place in places:
            page.add_column(headings[place], justify="right", no_wrap=True)
        for row, name in enumerate(names):
            if name == "all" and row == len(names) - 1:
                page.add_section()
            page.add_row(name, *[columns[headings[place]][row] for place in places])
        return page

    cells = [[heading, *column] for heading, column in columns.items()]
    print_parted(screen, title, [first, *names], cells, show)


def show_paths(answer: PathsAnswer, screen: Console, *, tuning: Tuning) -> None:
    """Print what the models say about a file of paths."""
    for words in answer.words():
        screen.print(words)
    paths, rate = answer.paths, answer.paths.rate
    if rate is None:
        return
    everything, converted = numbers([paths.total + float(paths.nulls.sum()), paths.total])
    screen.print(
        f"{everything} paths, {converted} ended in a conversion ({rate:.2%}), and brought {float(paths.values.sum()):,.2f}"
    )
    _explain(list(answer.credits), tuning, screen)
    screen.print()
    names = [*answer.names, "all"]
    given = {TITLES[model]: one.conversions.tolist() for model, one in answer.credits.items()}
    counts = {title: numbers([*values, sum(values)]) for title, values in given.items()}
    print_grid(screen, "channel", names, counts, "conversions credited")
    if paths.values.any():
        credited = {TITLES[model]: answer.values(model) for model in answer.credits}
        values = {title: [f"{one:,.2f}" for one in (*found, sum(found))] for title, found in credited.items()}
        screen.print()
        print_grid(screen, "channel", names, values, "value credited")
    error = answer.credits["shapley"].error if "shapley" in answer.credits else None
    if error is not None:
        screen.print(
            f"Shapley was sampled: its standard error is {float(error.max()):,.1f} conversions at most."
        )
    screen.print()
    screen.print(NOT_CAUSE)


def _explain(models: list[str], tuning: Tuning, screen: Console) -> None:
    if "markov" in models and tuning.order > 1:
        screen.print(f"Markov remembers {tuning.order} touches back.")
    if "shapley" in models and tuning.worth == "rate":
        screen.print(
            "Shapley by the rate: a set of channels that few people met weighs as much as one that many met, so what is small "
            "can look large."
        )


def show_answer(answer: Answer, screen: Console, *, zone: ZoneInfo, tuning: Tuning) -> None:
    """Print the credit of a period."""
    models = list(answer.models)
    screen.print(f"Credit by {answer.by}, {shown_period(answer.period, zone)}", style="bold")
    named = f"model: {TITLES[models[0]]}" if len(models) == 1 else f"{len(models)} models"
    screen.print(f"conversions are {', '.join(answer.rule.conversions)}; {named}")
    _explain(models, tuning, screen)
    for words in answer.words:
        screen.print(words)
    screen.print()
    if answer.conversions.count:
        if len(models) == 1:
            _one_model(answer, models[0], screen)
        else:
            _all_models(answer, screen)
        screen.print()
    if answer.rate is not None:
        touched = answer.attributed.count + answer.without
        paths = "path" if touched == 1 else "paths"
        screen.print(f"{touched:,} {paths}, {answer.rate:.1%} of which ended in a conversion.")
    for line, words in (
        (answer.unmatched, "of nobody known, in no line above"),
        (answer.returned, "came back in this time; credit is for what was bought"),
    ):
        if line.count:
            screen.print(f"{_of(line, answer.currency)} {words}.")
    if answer.unknown_touches:
        one = answer.unknown_touches == 1
        screen.print(
            f"{answer.unknown_touches:,} {'touch is' if one else 'touches are'} of nobody known (yet)."
        )
    if answer.attributed.count:
        screen.print(NOT_CAUSE)


def _of(line: Line, currency: str) -> str:
    orders = f"{line.count:,} order{'s' if line.count != 1 else ''}"
    if line.value is None or not currency:
        return orders
    return f"{orders} ({format_money(line.value, currency)})"


def _one_model(answer: Answer, model: str, screen: Console) -> None:
    given, currency = answer.models[model], answer.currency
    ranked = sorted(answer.labels, key=lambda label: (-given.conversions.get(label, 0.0), label))
    counts = [given.conversions.get(label, 0.0) for label in ranked]
    counts += [answer.unattributed.count, answer.conversions.count]
    columns = {"conversions": numbers(counts)}
    if given.error is not None:
        columns["± error"] = [*(f"{given.error.get(label, 0.0):,.1f}" for label in ranked), "", ""]
    columns["of all"] = [f"{count / answer.conversions.count:.1%}" for count in counts]
    if currency:
        values = [*(given.values.get(label, 0) for label in ranked)]
        lines = [answer.unattributed.value or 0, answer.conversions.value or 0]
        columns["value"] = [format_money(value, currency) for value in (*values, *lines)]
    print_grid(screen, answer.by, [*ranked, "unattributed", "all"], columns)


def _all_models(answer: Answer, screen: Console) -> None:
    main = answer.models.get(answer.rule.model) or next(iter(answer.models.values()))
    ranked = sorted(answer.labels, key=lambda label: (-main.conversions.get(label, 0.0), label))
    names, currency = [*ranked, "unattributed", "all"], answer.currency
    counts, values = {}, {}
    for model, given in answer.models.items():
        row = [given.conversions.get(label, 0.0) for label in ranked]
        counts[TITLES[model]] = numbers([*row, answer.unattributed.count, answer.conversions.count])
        if currency:
            lines = [answer.unattributed.value or 0, answer.conversions.value or 0]
            minor = [*(given.values.get(label, 0) for label in ranked), *lines]
            values[TITLES[model]] = [amount(one, currency) for one in minor]
    print_grid(screen, answer.by, names, counts, "conversions")
    if values:
        screen.print()
        print_grid(screen, answer.by, names, values, f"value in {currency}")


def amount(minor: int, currency: str) -> str:
    """Return minor units as a number of major ones, without the currency."""
    return f"{from_minor(minor, currency):,}"


def show_change(change: Changed, screen: Console, *, zone: ZoneInfo) -> None:
    """Print what a change of rule or model since the last answer moves."""
    screen.print()
    since = f"{change.since.astimezone(zone):%Y-%m-%d %H:%M}"
    basis = (
        "The same touches and conversions:"
        if change.again
        else "What counts is another thing; before is as answered then:"
    )
    screen.print(f"Since the last answer ({since}) changed: {', '.join(change.what)}. {basis}")
    before, now = (TITLES[one] for one in change.models)
    names: list[str] = []
    columns: dict[str, list[str]] = {
        f"before\n{before}": [],
        f"now\n{now}": [],
        "conversions": [],
        "value": [],
    }
    cells = [*columns.values()]
    lines = [(row.label, row.conversions, row.values) for row in change.rows]
    for name, (one, other), values in [*lines, ("unattributed", change.unattributed, None)]:
        if abs(other - one) < 0.005:
            continue
        names.append(name)
        shown = numbers([one, other, abs(other - one)])
        money = "" if values is None else _signed_money(values[1] - values[0], change.currency)
        for column, cell in zip(
            cells, (*shown[:2], f"{'+' if other > one else '-'}{shown[2]}", money), strict=True
        ):
            column.append(cell)
    if names:
        print_grid(screen, "what moved", names, columns)
    else:
        screen.print("nothing moved")


def _signed_money(minor: int, currency: str) -> str:
    return f"{'+' if minor > 0 else '-' if minor < 0 else ''}{amount(abs(minor), currency)}"
