"""Answers that were given, kept so that a change of the rule or of the model is seen in what it moves.

What is compared is the rule alone: the one of the last answer is applied to the touches and conversions of now. Only where
other events are conversions now is it compared with the answer as it was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import from_micros, iso, to_micros
from tidings.measurement.attribution.answer import Answer, Given, major
from tidings.measurement.attribution.asking import Asked, ask
from tidings.measurement.attribution.rule import Rule
from tidings.store.database import Store
from tidings.store.tables import money

_kept = money.attributions
_WORDS = {
    "conversions": "what counts as a conversion",
    "model": "the model",
    "touches": "which touches count",
    "windows": "the windows",
    "within": "how far back touches count",
    "half_life": "the half-life",
    "ends": "the shares of the first and of the last touch",
    "order": "the order of the Markov chain",
}


@dataclass(frozen=True, slots=True)
class Moved:
    """What one label had under the rule before, and what it has now; minor units None where they cannot be added up."""

    label: str
    conversions: tuple[float, float]
    values: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change of rule or model since the last answer moves, the largest first. `unattributed` is before and now.

    `again` says that the rule of before was applied to the touches and conversions of now; else it is what was answered.
    """

    since: datetime
    what: tuple[str, ...]
    models: tuple[str, str]
    rows: tuple[Moved, ...]
    unattributed: tuple[int, int]
    currency: str
    again: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the change with stable keys."""
        return {
            "since": iso(self.since),
            "same_conversions": self.again,
            "what": list(self.what),
            "model": {"before": self.models[0], "now": self.models[1]},
            "unattributed": {"before": self.unattributed[0], "now": self.unattributed[1]},
            "rows": [
                {
                    "name": row.label,
                    "conversions": {"before": row.conversions[0], "now": row.conversions[1]},
                    "value": None
                    if row.values is None
                    else {
                        "before": major(row.values[0], self.currency),
                        "now": major(row.values[1], self.currency),
                    },
                }
                for row in self.rows
            ],
        }


def changed(store: Store, asked: Asked, answer: Answer) -> Changed | None:
    """Return what moved since the last answer by the same grouping, None where rule and model are still the same.

    The answer must hold the model of its rule.
    """
    with store.read() as connection:
        row = connection.execute(
            sa.select(_kept.c.result, _kept.c.made_at)
            .where(
                _kept.c.grouping == answer.by, _kept.c.model == _kept.c.result["rule"]["model"].as_string()
            )
            .order_by(_kept.c.made_at.desc(), _kept.c.id.desc())
            .limit(1)
        ).one_or_none()
    if row is None:
        return None
    before = Rule.from_json(row.result["rule"])
    now = answer.rule
    if before == now:
        return None
    since = from_micros(int(row.made_at))
    if before.conversions != now.conversions:
        # What counted then is no longer kept as a conversion: there is only what was answered.
        kept = row.result
        return _difference(
            before,
            Given(kept["conversions"], kept["values"]),
            int(kept["unattributed"]),
            str(kept["currency"]),
            answer,
            since,
            again=False,
        )
    then = (
        asked if before.longest <= now.longest else ask(store, asked.definitions, asked.period, rule=before)
    )
    old = then.answer(answer.by, (before.model,), rule=before)
    return _difference(
        before, old.models[before.model], old.unattributed.count, old.currency, answer, since, again=True
    )


def _difference(
    rule: Rule,
    before: Given,
    unattributed: int,
    currency: str,
    new: Answer,
    since: datetime,
    *,
    again: bool,
) -> Changed:
    now = new.models[new.rule.model]
    money_too = bool(currency) and currency == new.currency
    rows = []
    for label in dict.fromkeys([*new.labels, *before.conversions]):
        counts = before.conversions.get(label, 0.0), now.conversions.get(label, 0.0)
        amounts = before.values.get(label, 0), now.values.get(label, 0)
        rows.append(Moved(label, counts, amounts if money_too else None))
    rows.sort(key=lambda row: (-abs(row.conversions[1] - row.conversions[0]), row.label))
    one, other = rule.as_json(), new.rule.as_json()
    return Changed(
        since=since,
        what=tuple(words for name, words in _WORDS.items() if _plain(one[name]) != _plain(other[name])),
        models=(rule.model, new.rule.model),
        rows=tuple(rows),
        unattributed=(unattributed, new.unattributed.count),
        currency=new.currency,
        again=again,
    )


def _plain(value: Any) -> Any:
    # What was kept as JSON has lists where a rule has tuples.
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def keep(store: Store, answer: Answer, now: datetime) -> None:
    """Keep an answer of every model; it takes the place of the last one of the same rule, grouping and period."""
    rule, period = answer.rule, answer.period
    rows = [
        {
            "rule_hash": rule.hash,
            "model": model,
            "grouping": answer.by,
            "opens": period.opens,
            "closes": period.closes,
            "made_at": to_micros(now),
            "result": {
                "rule": rule.as_json(),
                "currency": answer.currency,
                "conversions": given.conversions,
                "values": given.values,
                "unattributed": answer.unattributed.count,
            },
        }
        for model, given in answer.models.items()
    ]
    if not rows:
        return
    with store.durable("attribution") as connection:
        connection.execute(
            _kept.delete().where(
                _kept.c.rule_hash == rule.hash,
                _kept.c.grouping == answer.by,
                _kept.c.opens == period.opens,
                _kept.c.closes == period.closes,
                _kept.c.model.in_(list(answer.models)),
            )
        )
        connection.execute(_kept.insert(), rows)
