"""What is done for a goal: the campaigns and flows that serve it, what they get credit for and what they caused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tidings.definitions.kinds.measuring import CompanyGoal
from tidings.definitions.workspace import Definitions
from tidings.errors import TidingsError
from tidings.measurement.attribution.answer import Period
from tidings.measurement.attribution.asking import ask
from tidings.measurement.conversions import conversion_versions
from tidings.measurement.metrics import HOLDOUT
from tidings.measurement.movement.sums import Money
from tidings.measurement.report import make_report
from tidings.segments.days import first_micros
from tidings.store.database import Store


@dataclass(frozen=True, slots=True)
class Caused:
    """The effect of the latest run on one metric over all who were treated, against a holdout, with its interval."""

    metric: str
    total: float
    interval: tuple[float, float] | None
    money: bool


@dataclass(frozen=True, slots=True)
class Serving:
    """A campaign or flow that serves a goal. `credited` is in minor units, None where it cannot be added up.

    `caused` is empty, and `why_not` says why, where no effect is known: without a holdout there is none.
    """

    name: str
    title: str
    kind: str
    credited: int | None
    conversions: float | None
    caused: tuple[Caused, ...] = ()
    why_not: str = ""

    def as_json(self, money: Money) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "name": self.name,
            "title": self.title,
            "kind": self.kind,
            "credited": None if self.credited is None else money.major(self.credited),
            "conversions_credited": self.conversions,
            "incremental": [
                {
                    "metric": one.metric,
                    "total": one.total,
                    "interval": None if one.interval is None else list(one.interval),
                    "money": one.money,
                }
                for one in self.caused
            ],
            "why_no_incremental": self.why_not or None,
        }


def serving_names(definitions: Definitions, goal: str) -> list[tuple[str, str, str]]:
    """Return kind, name and title of all that serve a goal; with "" of all that serve none."""
    found = [("campaign", one.id, one.title) for one in definitions.campaigns.values() if one.serves == goal]
    found += [("flow", one.id, one.title) for one in definitions.flows.values() if one.serves == goal]
    return sorted(found)


@dataclass
class Credits:
    """Credit by campaign in the time of each goal; goals of the same days are asked for once."""

    store: Store
    definitions: Definitions
    _known: dict[tuple[int, int], tuple[dict[str, float], dict[str, int] | None, str]]

    def of(self, opens: int, closes: int) -> tuple[dict[str, float], dict[str, int] | None, str]:
        """Return conversions and minor units by campaign in [opens, closes), and the currency ("" where there is not one)."""
        key = (opens, closes)
        if key not in self._known:
            asked = ask(self.store, self.definitions, Period(opens, closes))
            answer = asked.answer("campaign", (asked.rule.model,))
            given = answer.models.get(asked.rule.model)
            values = dict(given.values) if given is not None and answer.currency else None
            if given is None:
                values = {}
            self._known[key] = (dict(given.conversions) if given else {}, values, answer.currency)
        return self._known[key]


def serving(
    given: Credits, goal: CompanyGoal, *, opens: int, closes: int, as_of: datetime
) -> tuple[Serving, ...]:
    """Return what serves a goal, with credit in [opens, closes) and the effect of the latest run as of an instant."""
    names = serving_names(given.definitions, goal.id)
    # Without a conversion there is nothing to credit.
    if not names or closes <= opens or not conversion_versions(given.definitions):
        return tuple(Serving(name, title, kind, None, None) for kind, name, title in names)
    conversions, values, currency = given.of(opens, closes)
    wanted = goal.currency or currency
    found = []
    for kind, name, title in names:
        caused, why = _caused(given, name, as_of)
        credited = None if values is None or (currency and currency != wanted) else values.get(name, 0)
        found.append(Serving(name, title, kind, credited, conversions.get(name, 0.0), caused, why))
    return tuple(found)


def _caused(given: Credits, name: str, as_of: datetime) -> tuple[tuple[Caused, ...], str]:
    try:
        report = make_report(given.store, given.definitions, name, as_of=as_of)
    except TidingsError as error:
        return (), str(error)
    if not report.begun:
        return (), "it had not run by then"
    found: dict[str, Caused] = {}
    for effect in report.findings():
        # The first against the holdout is of all treated; those of its arms are parts of it.
        if effect.total is not None and effect.against == HOLDOUT and effect.metric.name not in found:
            limits = effect.total[1]
            found[effect.metric.name] = Caused(
                effect.metric.name,
                effect.total[0],
                None if limits is None else (limits[0], limits[1]),
                effect.metric.unit == "money",
            )
    return tuple(found.values()), "" if found else "nothing is known against a holdout"


def period_of(goal: CompanyGoal, through: date, definitions: Definitions, closes: int) -> tuple[int, int]:
    """Return the instants of a goal's days through a day, as far as they are past."""
    zone = ZoneInfo(definitions.workspace.zone)
    last = min(through, goal.by) + timedelta(days=1)
    return first_micros(goal.starts, zone), min(first_micros(last, zone), closes)
