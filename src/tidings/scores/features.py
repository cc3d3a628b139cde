"""What a score looks at: the list of features, how each is made from what a customer did, and its name for people.

| kind | what it is | unknown when |
|---|---|---|
| since | days since the last time | it never happened in the history |
| count | how often, in the whole history or its last 30, 90, 365 days | never |
| amount | total worth, what came back taken off | never |
| mean | worth of one time on average, before returns | none had an amount |
| gap | mean days between two times | it happened less than twice |
| overdue | days since the last time against the mean gap | it happened less than twice |
| tenure | days since the first event of all | never |
| items | how many different items were bought | never |
| categories | how many different categories | never |
| sent | messages of ours that were accepted | never |
| opened, clicked | those that a person opened or clicked, programs left out | never |
| since_clicked | days since the last click of a person | no click in the history |

Days, numbers and amounts are skewed, so each is taken as its logarithm (of 1 + value; the sign of an amount stays). An
unknown value counts as the average one, and beside the feature stands another that is 1 where it is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidings.definitions.kinds.measuring import Score
from tidings.definitions.kinds.rules import Event
from tidings.definitions.workspace import Definitions
from tidings.scores.times import DAY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

_RECENT = (30, 90, 365)
_OF_MESSAGES = ("sent", "opened", "clicked", "since_clicked")
# The answers of people to messages, which can be what a score is about as well.
RESPONSES = ("opened", "clicked", "replied", "unsubscribed")


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about a customer at a cut-off. `of` is the event, "" for what is of none; `days` a recent window, 0 for all.

    `unknown` marks the one beside it that is 1 where the value is not known.
    """

    kind: str
    of: str = ""
    days: int = 0
    unknown: bool = False

    @property
    def name(self) -> str:
        """Return the stable name, such as `count:order_placed:30`."""
        parts = [self.kind, *([self.of] if self.of else []), *([str(self.days)] if self.days else [])]
        return ":".join(parts) + ("?" if self.unknown else "")


@dataclass(frozen=True, slots=True)
class Source:
    """One event that features are made of: whether it has amounts, what takes them back, whether it has a category.

    Customers who did one that is `listed` have a score; the event that is predicted is looked at even where it is not.
    """

    event: str
    priced: bool
    returns: str
    category: bool
    listed: bool = True


def sources(score: Score, definitions: Definitions) -> tuple[Source, ...]:
    """Return the events whose traces are features: those listed and, unless kept out, the one that is predicted."""
    names = [*score.events, *([] if score.did in RESPONSES else [score.did])]
    found = []
    for name in dict.fromkeys(names):
        event = definitions.events.get(name)
        if event is None or name in score.keep_out:
            continue
        returned = definitions.events.get(event.returns) if event.returns else None
        found.append(
            Source(
                name,
                priced=event.revenue is not None and not _out(score, event, event.revenue),
                returns=returned.name if returned is not None and returned.name not in score.keep_out else "",
                category=_has_category(event) and not _out(score, event, "category"),
                listed=name in score.events,
            )
        )
    return tuple(found)


def _out(score: Score, event: Event, name: str) -> bool:
    return name in score.keep_out or f"{event.name}.{name}" in score.keep_out


def _has_category(event: Event) -> bool:
    declared = event.property("category")
    return declared is not None and declared.type == "text"


def features_of(
    made_of: tuple[Source, ...], history: int, keep_out: tuple[str, ...] = ()
) -> tuple[Feature, ...]:
    """Return the features of these events over a history in microseconds, in a fixed order."""
    found: list[Feature] = []
    for one in made_of:
        found += [Feature("since", one.event), Feature("count", one.event)]
        found += [Feature("count", one.event, days) for days in _RECENT if days * DAY < history]
        if one.priced:
            found += [Feature("amount", one.event), Feature("mean", one.event)]
        found += [Feature("gap", one.event), Feature("overdue", one.event)]
        if one.returns:
            found.append(Feature("count", one.returns))
    found += [Feature("tenure"), Feature("items")]
    if any(one.category for one in made_of):
        found.append(Feature("categories"))
    found += [Feature(kind) for kind in _OF_MESSAGES if kind.removeprefix("since_") not in keep_out]
    return tuple(dict.fromkeys(found))


def columns_of(features: tuple[Feature, ...]) -> tuple[str, ...]:
    """Return the names of the columns that must be read of each customer to make the features."""
    needed: list[str] = []
    for one in features:
        match one.kind:
            case "since":
                needed += [f"last:{one.of}"]
            case "count":
                needed += [f"count:{one.of}" + (f":{one.days}" if one.days else "")]
            case "amount":
                needed += [f"net:{one.of}"]
            case "mean":
                needed += [f"gross:{one.of}", f"priced:{one.of}"]
            case "gap" | "overdue":
                needed += [f"first:{one.of}", f"last:{one.of}", f"count:{one.of}"]
            case "since_clicked":
                needed += ["last_clicked"]
            case "tenure":
                needed += ["first"]
            case kind:
                needed += [kind]
    return tuple(dict.fromkeys(needed))


def value_of(feature: Feature, read: Mapping[str, Column], at: int, exponent: int) -> Column:
    """Return one feature of many customers, NaN where it is unknown; `exponent` turns minor units into major ones.

    An `unknown` feature is 1 where the one it stands beside is unknown, else 0.
    """
    import numpy as np

    if feature.unknown:
        known = value_of(Feature(feature.kind, feature.of, feature.days), read, at, exponent)
        return np.isnan(known).astype(np.float64)
    of = feature.of
    match feature.kind:
        case "since":
            return _log(_days(at - read[f"last:{of}"]))
        case "count":
            return _log(_zero(read[f"count:{of}" + (f":{feature.days}" if feature.days else "")]))
        case "amount":
            return _log(_zero(read[f"net:{of}"]) / 10.0**exponent)
        case "mean":
            return _log(_ratio(read[f"gross:{of}"], read[f"priced:{of}"]) / 10.0**exponent)
        case "gap":
            return _log(_gap(read, of))
        case "overdue":
            return _log(_days(at - read[f"last:{of}"])) - _log(_gap(read, of))
        case "tenure":
            return _log(_days(at - read["first"]))
        case "since_clicked":
            return _log(_days(at - read["last_clicked"]))
        case kind:
            return _log(_zero(read[kind]))


def _days(micros: Column) -> Column:
    return micros / DAY


def _zero(values: Column) -> Column:
    import numpy as np

    return np.nan_to_num(values, nan=0.0)


def _ratio(above: Column, below: Column) -> Column:
    import numpy as np

    some = np.nan_to_num(below, nan=0.0) > 0
    found = np.full(len(above), np.nan)
    found[some] = np.nan_to_num(above[some], nan=0.0) / below[some]
    return found


def _gap(read: Mapping[str, Column], of: str) -> Column:
    return _days(_ratio(read[f"last:{of}"] - read[f"first:{of}"], _zero(read[f"count:{of}"]) - 1))


def _log(values: Column) -> Column:
    """Return the logarithm of 1 + value, with the sign of the value; unknown stays unknown."""
    import numpy as np

    found: Column = np.sign(values) * np.log1p(np.abs(values))
    return found


def plain(feature: Feature, made: float) -> float:
    """Return what a feature was before its logarithm: days, a number, an amount in major units, or a ratio."""
    from math import copysign, expm1

    if feature.unknown:
        return made
    if feature.kind == "overdue":
        return expm1(made) + 1
    return copysign(expm1(abs(made)), made)


def from_json(written: Mapping[str, Any]) -> Feature:
    """Return a feature as it stands in a stored model."""
    return Feature(written["kind"], written["of"], int(written["days"]), bool(written["unknown"]))
