"""Why a customer has the chance they have: what each thing they did adds to it, exactly, in plain words.

The logarithm of the odds is a sum, so each part multiplies the odds, and all parts together are the score to the last digit.
Features that say nearly the same share their weight between them; parts are told by theme, where that does no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Any

import sqlalchemy as sa

from tidings.customers.alive import alive
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.errors import TidingsError, UsageError
from tidings.scores.applying import usable
from tidings.scores.asking import find_score, question_of, zone_of
from tidings.scores.features import Feature, plain
from tidings.scores.keeping import Kept, applied, latest
from tidings.scores.reading import name_ids, read_rows
from tidings.scores.times import DAY, cut_at
from tidings.store.database import Store
from tidings.store.tables import people

_NEVER = "what did not happen"
_THEMES = {
    "since": "how lately",
    "count": "how often",
    "amount": "how much",
    "mean": "how much",
    "gap": "rhythm",
    "overdue": "rhythm",
    "tenure": "how long known",
    "items": "how varied",
    "categories": "how varied",
    "sent": "our messages",
    "opened": "our messages",
    "clicked": "our messages",
    "since_clicked": "our messages",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One feature: its value (None: unknown) before the logarithm, and what it adds to the logarithm of the odds."""

    feature: Feature
    value: float | None
    adds: float
    words: str


@dataclass(frozen=True, slots=True)
class Theme:
    """Parts that belong together. `factor` multiplies the odds of an average customer."""

    title: str
    adds: float
    parts: tuple[Part, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Return the lines that say it, the strongest first, each once; of what never happened that alone."""
        lines = dict.fromkeys(one.words for one in sorted(self.parts, key=lambda part: -abs(part.adds)))
        if self.title.startswith(_NEVER):
            lines = {
                one.words: None for one in self.parts if one.feature.kind == "count" and not one.feature.days
            }
        return tuple(lines)

    @property
    def factor(self) -> float:
        """Return by what the odds are multiplied."""
        return exp(self.adds)


@dataclass(frozen=True, slots=True)
class Explained:
    """The chance of one customer as of an instant, out of `base`, the log odds of an average one, and the themes.

    `stored` is the value of the last apply, None when there is none; the two differ by what happened since.
    """

    customer: str
    kept: Kept
    at: int
    chance: float
    average: float
    base: float
    themes: tuple[Theme, ...]
    stored: float | None
    stored_at: int | None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return every part, the strongest first."""
        found = [part for theme in self.themes for part in theme.parts]
        return tuple(sorted(found, key=lambda one: -abs(one.adds)))


def explain(store: Store, definitions: Definitions, name: str, customer: str, *, at: int) -> Explained:
    """Explain the score of a customer, given by key or e-mail address, as of an instant in microseconds.

    By the model that was applied last, else by the one trained last. Raises UsageError for an unknown customer, TidingsError
    for one without history, or where nothing was trained.
    """
    score = find_score(definitions, name)
    with store.read() as connection:
        kept = usable(score, applied(connection, name) or latest(connection, name))
        who = _find(connection, customer)
        cut = cut_at(at, kept.model.history, Duration(1, Unit.MINUTE), zone_of(definitions))
        question = question_of(score, definitions, kept.model.sources, kept.model.columns, cut)
        rows = read_rows(connection, question, cut, name_ids(connection), who.id, who.id)
        scores = people.scores
        stored = connection.execute(
            sa.select(scores.c.value, scores.c.scored_at).where(
                scores.c.score == name, scores.c.customer_id == who.id
            )
        ).first()
    model = kept.model
    if not len(rows.ids):
        events = ", ".join(one.event for one in model.sources)
        among = f", or is not in {score.who}" if score.who else ""
        raise TidingsError(
            f"{who.key} has no score: nothing of {events} is known of them in the {model.history / DAY:,.0f} days before{among}"
        )
    values = model.values(rows.read, at)
    adds = model.parts(values)[0]
    parts = [
        _part(one, float(values[0][i]), float(adds[i]), definitions, model.currency, model.history)
        for i, one in enumerate(model.features)
    ]
    import numpy as np

    return Explained(
        customer=who.key,
        kept=kept,
        at=at,
        chance=float(model.chances(values)[0]),
        average=1 / (1 + exp(-model.base)),
        base=model.base,
        themes=_themes(_together(parts), definitions) if np.isfinite(adds).all() else (),
        stored=stored.value if stored else None,
        stored_at=stored.scored_at if stored else None,
    )


def _find(connection: sa.Connection, customer: str) -> Any:
    table = people.customers
    for column, value in ((table.c.key, customer), (table.c.email, customer.strip().lower())):
        row = connection.execute(
            sa.select(table.c.id, table.c.key).where(column == value, alive(table)).limit(1)
        ).first()
        if row is not None:
            return row
    raise UsageError(
        f'there is no customer "{customer}"',
        what_to_do="give the key, or the e-mail address, of one who was imported",
    )


def _together(parts: Sequence[Part]) -> list[Part]:
    """Return one part a feature: where its value is unknown, what that says stands in its place; the sum stays."""
    found: dict[str, Part] = {}
    for one in parts:
        name = one.feature.name.removesuffix("?")
        known = found.get(name)
        if known is None:
            found[name] = one
        else:
            said = one if one.feature.unknown and one.value == 1 else known
            found[name] = Part(known.feature, known.value, known.adds + one.adds, said.words)
    return [one for one in found.values() if one.words]


def _themes(parts: Sequence[Part], definitions: Definitions) -> tuple[Theme, ...]:
    """Return the parts by theme, the strongest first; what somebody never did is one theme, and one line is said once."""
    never = {
        one.feature.of
        for one in parts
        if one.feature.kind == "count" and not one.feature.days and one.value == 0
    }
    titles: dict[str, list[Part]] = {}
    for one in parts:
        of = one.feature.of
        title = _NEVER if of in never else _THEMES[one.feature.kind]
        if of:
            title += f", {_title(of, definitions)}"
        titles.setdefault(title, []).append(one)
    found = [Theme(title, sum(one.adds for one in inside), tuple(inside)) for title, inside in titles.items()]
    return tuple(sorted(found, key=lambda one: -abs(one.adds)))


def _title(event: str, definitions: Definitions) -> str:
    declared = definitions.events.get(event)
    return f"“{declared.title or event}”" if declared else event


def _part(
    feature: Feature, made: float, adds: float, definitions: Definitions, currency: str, history: int
) -> Part:
    from math import isnan

    unknown = isnan(made)
    value = None if unknown else plain(feature, made)
    return Part(feature, value, adds, _words(feature, value, definitions, currency, history))


def _words(
    feature: Feature, value: float | None, definitions: Definitions, currency: str, history: int
) -> str:
    """Return what a feature says about a customer, in plain words."""
    days = f"in the last {feature.days or history / DAY:,.0f} days"
    event = _title(feature.of, definitions) if feature.of else ""
    if feature.unknown or value is None:
        match feature.kind:
            case "since" | "count" | "tenure":
                return f"{event} not once {days}"
            case "gap" | "overdue":
                return f"{event} less than twice {days}: no rhythm yet"
            case "since_clicked":
                return f"no click {days}"
            case _:
                return f"{event} without an amount"
    match feature.kind:
        case "since":
            return f"the last {event} was {_days(value)} ago"
        case "count":
            return f"{event} {_times(value)} {days}"
        case "amount":
            return f"{event} for {value:,.2f} {currency} {days}, returns taken off"
        case "mean":
            return f"{event} for {value:,.2f} {currency} on average"
        case "gap":
            return f"{_days(value)} between two on average"
        case "overdue":
            return f"{value:.1f} times the usual time since the last one"
        case "tenure":
            return f"first heard of {_days(value)} ago"
        case "since_clicked":
            return f"last clicked {_days(value)} ago"
        case "items":
            return f"{_different(value, 'item', 'items')} {days}"
        case "categories":
            return f"{_different(value, 'category', 'categories')} {days}"
        case "sent":
            return f"{value:,.0f} message{'' if round(value) == 1 else 's'} of ours {days}"
        case kind:
            return f"{kind} {value:,.0f} of them"


def _different(value: float, one: str, many: str) -> str:
    return f"1 {one}" if round(value) == 1 else f"{value:,.0f} different {many}"


def _days(value: float) -> str:
    return (
        f"{value:,.0f} days" if value >= 1.5 else ("a day" if value >= 0.75 else f"{value * 24:,.0f} hours")
    )


def _times(value: float) -> str:
    count = round(value)
    return "not once" if count == 0 else ("once" if count == 1 else f"{count:,} times")
