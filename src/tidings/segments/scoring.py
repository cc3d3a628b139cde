"""Whether the scores that segments are ranked by may be used: applied at least once, and not older than their definition allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.clock import from_micros, local_day, to_micros
from tidings.definitions.values import Duration
from tidings.definitions.workspace import Definitions
from tidings.errors import RefusedByPolicy
from tidings.segments.days import first_micros, shift_day, shift_instant
from tidings.segments.references import ordered
from tidings.store.tables import money


@dataclass(frozen=True, slots=True)
class ScoreInUse:
    """A score that a segment is ranked by: its model, when that was trained and when all values were made with it (aware)."""

    segment: str
    score: str
    keep: str
    model: str
    trained_at: datetime
    applied_at: datetime
    scored: int

    def sentence(self, now: datetime) -> str:
        """Return who is kept by which model, and how old that is, in words."""
        return (
            f"{self.segment}: the {self.keep} by {self.score} (model {self.model[:12]}, trained {_age(self.trained_at, now)}, "
            f"applied {_age(self.applied_at, now)} to {self.scored:,} customers)"
        )

    def as_json(self) -> dict[str, object]:
        """Return the same with stable keys."""
        from tidings.clock import iso

        return {
            "segment": self.segment,
            "score": self.score,
            "keep": self.keep,
            "model": self.model,
            "trained_at": iso(self.trained_at),
            "applied_at": iso(self.applied_at),
            "scored": self.scored,
        }


def usable_scores(
    connection: sa.Connection, definitions: Definitions, names: Iterable[str], *, now: datetime
) -> list[ScoreInUse]:
    """Return the scores that these segments, and all they refer to, are ranked by.

    Raises RefusedByPolicy for one that was never applied, or whose model or values are older than `retrain` allows.
    """
    found = []
    for segment in ordered(definitions, names):
        rank = segment.rank
        if rank is None or definitions.attributes.get(rank.by) is not None:
            continue
        models, by = money.score_models, rank.by
        row = connection.execute(
            sa.select(models.c.hash, models.c.trained_at, models.c.applied_at, models.c.scored)
            .where(models.c.score == by, models.c.applied_at.is_not(None))
            .order_by(models.c.applied_at.desc())
            .limit(1)
        ).first()
        if row is None:
            trained = connection.execute(
                sa.select(models.c.hash).where(models.c.score == by).limit(1)
            ).first()
            raise RefusedByPolicy(
                f"{segment.path} is ranked by the score {by}, which was never applied: nobody has a value",
                what_to_do=f"tidings score apply {by}"
                if trained
                else f"tidings score train {by}, and then tidings score apply {by}",
            )
        declared = definitions.scores.get(by)
        if declared is not None and declared.retrain is not None:
            zone = ZoneInfo(definitions.workspace.zone)
            for at, what, way in (
                (row.trained_at, "trained", f"tidings score train {by}, and then tidings score apply {by}"),
                (row.applied_at, "applied", f"tidings score apply {by}"),
            ):
                if _after(at, declared.retrain, zone) <= to_micros(now):
                    raise RefusedByPolicy(
                        f"{segment.path} is ranked by the score {by}, {what} {_age(from_micros(at), now)}: "
                        f"older than `retrain: {declared.retrain}` of config/scores.yaml allows",
                        what_to_do=way,
                    )
        found.append(
            ScoreInUse(
                segment.id,
                by,
                f"top {rank.keep}",
                row.hash,
                from_micros(row.trained_at),
                from_micros(row.applied_at),
                row.scored,
            )
        )
    return found


def _after(at: int, duration: Duration, zone: ZoneInfo) -> int:
    """Return the instant so much later: hours exactly, days at the same time of day."""
    moment = from_micros(at)
    if duration.unit.exact:
        return shift_instant(moment, duration, 1)
    day = local_day(moment, zone)
    return first_micros(shift_day(day, duration, 1), zone) + at - first_micros(day, zone)


def _age(at: datetime, now: datetime) -> str:
    minutes = max(int((now - at).total_seconds() // 60), 0)
    if minutes < 2:
        return "just now"
    if minutes < 120:
        return f"{minutes} minutes ago"
    if minutes < 48 * 60:
        return f"{minutes // 60} hours ago"
    return f"{minutes // (24 * 60)} days ago"
