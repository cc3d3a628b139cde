"""The rule of credit in plain numbers: what counts, how far back, and what the models are told.

A window is a length of time in UTC: a day is 24 hours, a week 7 days, a month 30 and a year 365. A touch counts for a
conversion when it lies in [conversion − window, conversion); the code an order was paid with at its very instant, too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from tidings.definitions.kinds.measuring import Attribution
from tidings.definitions.kinds.rules import Events
from tidings.definitions.values import Duration, Unit
from tidings.measurement.attribution.models import DAY, Tuning

_LENGTHS = {
    Unit.MINUTE: DAY // 1440,
    Unit.HOUR: DAY // 24,
    Unit.DAY: DAY,
    Unit.WEEK: 7 * DAY,
    Unit.MONTH: 30 * DAY,
    Unit.YEAR: 365 * DAY,
}
# How far back a touch counts where nothing is said: what people did longer than what merely reached them.
_PASSIVE = ("seen", "sent", "opened")
_WITHIN, _PASSIVE_WITHIN = 30 * DAY, 7 * DAY


@dataclass(frozen=True, slots=True)
class Rule:
    """What decides about credit. Windows are (channel, kind, microseconds), "" standing for any."""

    conversions: tuple[str, ...]
    model: str
    touches: tuple[str, ...]
    windows: tuple[tuple[str, str, int], ...]
    within: int | None
    half_life: int
    ends: tuple[float, float]
    order: int

    @property
    def tuning(self) -> Tuning:
        """Return what the models are told."""
        return Tuning(half_life=self.half_life, ends=self.ends, order=self.order)

    @property
    def hash(self) -> str:
        """Return the SHA-256 (hex) of the rule but for the model, which is kept beside it."""
        content = {name: part for name, part in asdict(self).items() if name != "model"}
        text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def window(self, channel: str, kind: str) -> int:
        """Return how far back touches of a kind on a channel count, −1 for those that do not count at all.

        The window of the kind on the channel comes before that of the channel, that before the one of the kind, and that
        before `within`; where nothing is said it is 30 days, and 7 for what somebody only saw or was sent.
        """
        if kind not in self.touches:
            return -1
        said = {(one, other): length for one, other, length in self.windows}
        for place in ((channel, kind), (channel, ""), ("", kind), ("", "")):
            if place in said:
                return said[place]
        if self.within is not None:
            return self.within
        return _PASSIVE_WITHIN if kind in _PASSIVE else _WITHIN

    @property
    def longest(self) -> int:
        """Return the longest window that any touch may have."""
        said = [length for _, kind, length in self.windows if not kind or kind in self.touches]
        return max([*said, self.within or _WITHIN])

    def as_json(self) -> dict[str, Any]:
        """Return the rule as plain data, from which `from_json` makes the same rule."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Self:
        """Return a rule that was kept. Raises KeyError or TypeError for what is none."""
        return cls(
            conversions=tuple(found["conversions"]),
            model=str(found["model"]),
            touches=tuple(found["touches"]),
            windows=tuple((str(one), str(other), int(length)) for one, other, length in found["windows"]),
            within=None if found["within"] is None else int(found["within"]),
            half_life=int(found["half_life"]),
            ends=(float(found["ends"][0]), float(found["ends"][1])),
            order=int(found["order"]),
        )


def rule_of(attribution: Attribution | None, events: Events) -> Rule:
    """Return the rule of config/attribution.yaml; without the file every event with revenue is a conversion."""
    if attribution is None:
        # What another event takes back is no conversion.
        returns = {one.returns for one in events.events}
        names = [one.name for one in events.events if one.revenue and one.name not in returns]
        attribution = Attribution("", tuple(names))
    ends = attribution.position
    return Rule(
        conversions=attribution.conversions,
        model=attribution.model,
        touches=tuple(sorted(attribution.touches)),
        windows=tuple(sorted((one.channel, one.kind, micros(one.within)) for one in attribution.windows)),
        within=None if attribution.within is None else micros(attribution.within),
        half_life=7 * DAY if attribution.half_life is None else micros(attribution.half_life),
        ends=(0.4, 0.4) if ends is None else (ends[0].basis_points / 10_000, ends[1].basis_points / 10_000),
        order=attribution.order,
    )


def micros(length: Duration) -> int:
    """Return a length of time in microseconds, days and longer by the hours they usually have."""
    return length.amount * _LENGTHS[length.unit]
