"""The table of effect beside credit in plain words: what was claimed, what was caused, and what nobody can know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tidings.measurement.beside.rows import NO_COST, Row
from tidings.statistics.means import Difference


def row_sentences(rows: Sequence[Row], by: str) -> list[str]:
    """Return a sentence for each row that has an effect, and one for each reason why others have none."""
    said = [_measured(row) for row in rows if row.increment is not None]
    why: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.increment is None:
            why[row.reason].append(row.name)
        elif row.part:
            said.append(f"{row.name}: {row.part}, so its effect is not set against its credit or its cost.")
            scaled = row.calibrated
            if scaled is not None and scaled.interval is not None:
                low, high = scaled.interval
                said.append(
                    f"{row.name}: scaled to what the campaigns caused that were drawn by lot, its credit of {_many(row.credited)} is "
                    f"{_many(scaled.estimate)} ({_many(low)} to {_many(high)}), if the rest works as they do."
                )
    what = "effect of" if by == "campaign" else "effect by"
    said += [f"No {what} {', '.join(names)}: {reason}." for reason, names in sorted(why.items())]
    return said


def _measured(row: Row) -> str:
    assert row.increment is not None
    effect = row.increment.conversions
    if effect.interval is None:
        return f"{row.name}: what came because of it cannot be told, for {effect.reason}."
    low, high = effect.interval
    span = f"{_many(effect.estimate)} ({_many(low)} to {_many(high)})"
    claimed = f"credited with {_many(row.credited)} conversions"
    if not effect.shown:
        words = f"{row.name}: {claimed}; an effect is not shown, between {_more(low)} and {_more(high)} came because of it"
    elif effect.estimate < 0:
        words = f"{row.name}: {claimed}, and {_many(-effect.estimate)} fewer came because of it ({_many(-high)} to {_many(-low)})"
    else:
        words = (
            f"{row.name}: {claimed}, of which {span} came because of it"
            if row.credited
            else (f"{row.name}: {claimed}, and {span} came because of it")
        )
        factor = row.over_claiming
        if factor.value is not None and factor.interval is not None and row.credited:
            least, most = factor.interval
            words = f"{row.name}: {claimed}; {span} came because of it, so credit is {short(factor.value)} times the effect ({short(least)} to {short(most)})"
    return (
        words + _money(row) + "." + (" Few stand behind this, so the limits are rough." if row.rough else "")
    )


def _money(row: Row) -> str:
    found = row.iroas
    if found.value is None or found.interval is None:
        return ""
    low, high = found.interval
    one = f"1 {row.currency}"
    told = f"; {one} of cost brought {short(found.value)} ({short(low)} to {short(high)}) {row.currency} more revenue"
    if high < 0:
        return f"; {one} of cost went with {short(-found.value)} ({short(-high)} to {short(-low)}) {row.currency} less revenue"
    if high < 1:
        return f"{told}, less than it cost"
    return told if low > 1 else f"{told}, which is not distinguishable from a loss"


def table_words(rows: Sequence[Row], unpriced: dict[str, tuple[int, list[str]]], *, over: bool) -> list[str]:
    """Return what has to be said of the whole table.

    `unpriced` are messages and the files to name by kind of channel; `over` tells whether the period is.
    """
    said = []
    for kind, (messages, files) in sorted(unpriced.items()):
        where = f" (`cost:` in {' or '.join(sorted(files))})" if files else ""
        said.append(
            f"{messages:,} message{'s' if messages != 1 else ''} by {kind} "
            f"{'have' if messages != 1 else 'has'} no price{where} and count{'' if messages != 1 else 's'} as nothing."
        )
    mute = [row.name for row in rows if row.cost and not row.touches]
    if mute:
        said.append(
            f"Cost without touches: {', '.join(mute)}. No touch is known of what was paid for, so it can have no credit."
        )
    free = [row.name for row in rows if row.credited and row.spent is None and row.cost_reason == NO_COST]
    if free:
        said.append(f"Credit without cost: {', '.join(free)}. No cost is known of it in this time.")
    if any(row.open for row in rows):
        said.append(
            "Some windows reach beyond this time: what came later is counted neither as credit nor as effect."
            if over
            else "Some windows are not over: credit, effect and cost are those of this time alone, and will grow."
        )
    return said


def shown(effect: Difference) -> str:
    """Return an effect of conversions and its limits as a table shows them, on two lines."""
    if effect.interval is None:
        return f"{_many(effect.estimate)}\n(no limits)"
    return f"{_many(effect.estimate)}\n({_many(effect.interval[0])} to {_many(effect.interval[1])})"


def short(value: float) -> str:
    """Return a ratio with as many places as mean something: `0.26`, `14.5`, `1,204`."""
    places = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{places}f}"


def _many(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    # A difference that rounds to nothing has no sign.
    return (
        f"{value:,.1f}".replace("-0.0", "0.0") if abs(value - round(value)) >= 0.05 else f"{round(value):,}"
    )


def _more(value: float) -> str:
    return f"{_many(abs(value))} {'more' if value >= 0 else 'fewer'}"
