"""Credit for the conversions of a period, by every model asked for, with what no touch explains in lines of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from tidings.clock import from_micros, iso
from tidings.definitions.kinds.measuring import MODELS
from tidings.definitions.money import from_minor
from tidings.errors import UsageError
from tidings.measurement.attribution.facts import Facts
from tidings.measurement.attribution.journeys import find_journeys
from tidings.measurement.attribution.models import Tuning, give_credit
from tidings.measurement.attribution.rule import Rule
from tidings.measurement.rates import RATES_FILE, Rates
from tidings.statistics.credit import Integers, Paths, largest_remainder

GROUPINGS = ("channel", "campaign", "sales channel")
# Each campaign on each channel: what a channel's credit is of. Names are `channel / campaign`.
BOTH = "channel and campaign"
NOT_SAID = "not said"
NEGATIVE = (
    "Less than nothing is what has people on its paths who convert less often than those on paths without it."
)


@dataclass(frozen=True, slots=True)
class Period:
    """[opens, closes) in microseconds."""

    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class Line:
    """Something beside the credit: how many, and what they brought in minor units (None where that cannot be added up)."""

    count: int = 0
    value: int | None = 0

    def as_json(self, currency: str) -> dict[str, Any]:
        """Return the line with its value in major units."""
        return {"count": self.count, "value": major(self.value, currency)}


@dataclass(frozen=True, slots=True)
class Given:
    """What one model gives: conversions and minor units by label; `error` where it was sampled."""

    conversions: dict[str, float]
    values: dict[str, int]
    error: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Credit in a period. `values` of models are empty where amounts cannot be added up (`currency` is "" then).

    Every model gives exactly the attributed conversions and their value; with the line `unattributed` these are all
    conversions of people who are known. `unmatched` are orders of people who are not, `returned` what came back.
    """

    rule: Rule
    by: str
    period: Period
    currency: str
    conversions: Line
    attributed: Line
    unattributed: Line
    labels: tuple[str, ...]
    models: dict[str, Given]
    rate: float | None
    without: int
    unmatched: Line = Line()
    returned: Line = Line()
    unknown_touches: int = 0
    words: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the answer with stable keys: instants as ISO text, money in major units."""
        currency = self.currency
        found: dict[str, Any] = {
            "from": iso(from_micros(self.period.opens)),
            "to": iso(from_micros(self.period.closes)),
            "by": self.by,
            "model": self.rule.model,
            "order": self.rule.order,
            "rule": self.rule.hash,
            "currency": currency or None,
            "models": {model: given.conversions for model, given in self.models.items()},
            "values": {
                model: {label: major(value, currency) for label, value in given.values.items()}
                for model, given in self.models.items()
                if currency
            },
            "observed_rate": self.rate,
            "conversions": self.conversions.as_json(currency),
            "attributed": self.attributed.as_json(currency),
            "unattributed": self.unattributed.as_json(currency),
            "unmatched": self.unmatched.as_json(currency),
            "returned": self.returned.as_json(currency),
            "touched_without_conversion": self.without,
            "touches_of_nobody_known": self.unknown_touches,
            "words": self.words,
        }
        errors = {model: given.error for model, given in self.models.items() if given.error is not None}
        return found | ({"standard_errors": errors} if errors else {})


def major(value: int | None, currency: str) -> float | None:
    """Return minor units as major ones, None where there is no currency to say it in."""
    return None if value is None or not currency else float(from_minor(value, currency))


def credit_facts(
    facts: Facts,
    rule: Rule,
    period: Period,
    *,
    by: str,
    models: tuple[str, ...] = MODELS,
    rates: Rates | None = None,
    currency: str = "",
    tuning: Tuning | None = None,
    scale: float = 1.0,
) -> Answer:
    """Return the credit over facts that were read; `currency` is the one to count in where there are several.

    `scale` stretches all windows, `tuning` takes the place of what the rule tells the models. Raises UsageError for an order
    of the chain that so many names cannot have.
    """
    journeys = find_journeys(facts, rule, opens=period.opens, closes=period.closes, scale=scale)
    amounts, money, words = in_one_currency(facts, rates or Rates(), currency)
    values = np.zeros(facts.event.size) if amounts is None else amounts.astype(np.float64)
    labels, code_of = labels_of(facts, rule, by)
    attributed = journeys.attributed

    def line(these: Integers) -> Line:
        return Line(int(these.size), None if amounts is None else int(amounts[these].sum()))

    everything = np.arange(facts.event.size)
    found: dict[str, Given] = {}
    for prefix, sales in _parts(facts, by):
        paths = journeys.paths(labels, code_of, values, sales)
        try:
            by_model = give_credit(paths, models, tuning or rule.tuning, journeys.age)
        except ValueError as error:
            raise UsageError(str(error), what_to_do="ask for a lower --order") from error
        for model, credit in by_model.items():
            given = found.setdefault(model, Given({}, {}, None if credit.error is None else {}))
            total = round(float(paths.values.sum()))
            cents = largest_remainder(credit.values, total) if amounts is not None else None
            for place, label in enumerate(labels):
                name = prefix + label
                if prefix and not credit.conversions[place]:
                    continue
                given.conversions[name] = float(credit.conversions[place])
                if cents is not None:
                    given.values[name] = int(cents[place])
                if given.error is not None and credit.error is not None:
                    given.error[name] = float(credit.error[place])
    whole = journeys.paths(labels, code_of, values)
    return Answer(
        rule=rule,
        by=by,
        period=period,
        currency=money,
        conversions=line(everything),
        attributed=line(attributed),
        unattributed=line(np.setdiff1d(everything, attributed)),
        labels=tuple(dict.fromkeys(name for given in found.values() for name in given.conversions)),
        models=found,
        rate=whole.rate,
        without=int(whole.nulls.sum()),
        words=words + _words(facts, rule, whole, found),
    )


def both(channel: str, campaign: str) -> str:
    """Return the name of a campaign on a channel, "" for no campaign."""
    return f"{channel} / {campaign}"


def labels_of(facts: Facts, rule: Rule, by: str) -> tuple[tuple[str, ...], Integers]:
    """Return what gets the credit, sorted, and the place in it of each kind of touch that counts (else 0).

    By campaign, a touch of none stands under `no campaign` with its channel, so that it is not lost.
    """
    named = [
        both(one.channel, one.campaign or "")
        if by == BOTH
        else (one.campaign or f"no campaign ({one.channel})")
        if by == "campaign"
        else one.channel
        for one in facts.kinds
    ]
    counts = [rule.window(one.channel, one.kind) >= 0 for one in facts.kinds]
    labels = tuple(sorted({name for name, counted in zip(named, counts, strict=True) if counted}))
    place = {label: number for number, label in enumerate(labels)}
    return labels, np.array([place.get(name, 0) for name in named], dtype=np.int64)


def _parts(facts: Facts, by: str) -> list[tuple[str, int | None]]:
    """Return the questions to ask: one, or one for each sales channel, with what stands before its labels."""
    if by != "sales channel":
        return [("", None)]
    return [(f"{facts.sales_channels[one] or NOT_SAID} / ", int(one)) for one in np.unique(facts.sales)]


def in_one_currency(facts: Facts, rates: Rates, wanted: str) -> tuple[Integers | None, str, list[str]]:
    """Return the amounts in one currency, None where they cannot be, that currency, and what is to be said about it."""
    worth = facts.amount != 0
    used = [facts.currencies[one] for one in np.unique(facts.currency[worth])]
    if len(used) <= 1:
        return facts.amount, (used[0] if used else wanted), []
    amounts = np.zeros(facts.amount.size, dtype=np.int64)
    for place, name in enumerate(facts.currencies):
        these = np.flatnonzero((facts.currency == place) & worth)
        converted = rates.convert(facts.amount[these], facts.bought_at[these], name, wanted)
        if converted is None:
            sentence = (
                f"The conversions are worth {', '.join(used[:-1])} and {used[-1]}, and {RATES_FILE} has no rate from {name} to "
                f"{wanted} for every day of them, so amounts are not added up: what follows counts conversions."
            )
            return None, "", [sentence]
        amounts[these] = converted
    return (
        amounts,
        wanted,
        [f"Amounts in {', '.join(used)} are counted in {wanted} at the rates of {RATES_FILE}."],
    )


def _words(facts: Facts, rule: Rule, paths: Paths, found: Mapping[str, Given]) -> list[str]:
    said = []
    if facts.event.size and not paths.total:
        said.append(
            "None of the conversions has a touch within its window, so there is no credit to give: all are unattributed."
        )
    elif paths.total and not paths.nulls.sum() and {"markov", "shapley"} & set(found):
        said.append(
            "Everybody who had a touch converted: Markov has no path that ended in nothing to learn from, and goes by the "
            "order of touches alone."
        )
    known = {one.channel for one in facts.kinds}
    unheard = sorted({channel for channel, _, _ in rule.windows if channel} - known)
    if known and unheard:
        one = len(unheard) == 1
        said.append(
            f"There is a window for {', '.join(unheard)}, but no touch on {'that channel' if one else 'those channels'} "
            "in this time."
        )
    if any(value < 0 for given in found.values() for value in given.conversions.values()):
        said.append(NEGATIVE)
    return said


def shown_period(period: Period, local: Any) -> str:
    """Return a period of whole days as `2027-01-01 through 2027-03-31` on a clock."""

    def day(at: datetime) -> str:
        return f"{at.astimezone(local):%Y-%m-%d}"

    return f"{day(from_micros(period.opens))} through {day(from_micros(period.closes - 1))}"
