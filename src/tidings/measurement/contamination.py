"""What blurs a comparison: held out and reached all the same, and what else the arms got in the same time.

A holdout that a friend forwards the code to has got a part of the campaign, so the effect found is smaller than the true one.
And a campaign may displace other messages (caps, one message a day): its effect is then net of what those would have
brought. Neither changes the comparison by intention to treat; both have to be known to read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.values import Duration, Unit
from tidings.measurement.arms import ReportedRun
from tidings.measurement.metrics import COUNTED, HOLDOUT, Arm, arm_name
from tidings.measurement.windows import Windows, windows
from tidings.measurement.words import p_value
from tidings.statistics.means import Difference, welch
from tidings.statistics.sums import Sums
from tidings.store.tables import answers, money, sending

_enrolments, _messages, _runs = sending.enrolments, sending.messages, sending.runs
_touches, _redemptions = answers.touches, money.redemptions
# Where no goal says how long something is looked for.
_WITHIN = Duration(30, Unit.DAY)
# What a provider took, or may have.
_HANDED_OVER = ("accepted", "delivered", "bounced", "complained", "unconfirmed", "in_doubt")
CODE, AD, RUN = _WAYS = ("code", "ad", "run")
_ACCOUNTS = "accounts were drawn, and messages are counted by customer"


@dataclass(frozen=True, slots=True)
class PerHead:
    """The messages of other campaigns and flows that the customers of an arm got while their windows ran."""

    arm: str
    customers: int
    messages: int

    @property
    def mean(self) -> float | None:
        """Return the messages a head; None in an arm of nobody."""
        return self.messages / self.customers if self.customers else None


@dataclass(frozen=True, slots=True)
class Contamination:
    """How many of the held out were reached by the campaign in another way, and other messages by arm.

    `code` counts the held out who redeemed a code of the campaign, `ad` those known to have met an ad or anything else
    of it that a file told of, `run` those to whom another run of the campaign wrote; `anyhow` each of them once.
    `difference` is that of other messages a head, all treated less the held out; None without both.
    """

    held: int
    anyhow: int
    code: int
    ad: int
    run: int
    others: tuple[PerHead, ...]
    difference: Difference | None

    def sentences(self) -> list[str]:
        """Return what a reader must know, and that there is nothing to know."""
        said = []
        if self.held:
            said.append(self._held_out())
        found = self.difference
        if found is not None and found.shown:
            more = "more" if found.estimate > 0 else "fewer"
            low, high = sorted(abs(end) for end in found.interval or (0.0, 0.0))
            said.append(
                f"Those treated got {abs(found.estimate):.2f} {more} other messages a head than those held out "
                f"({low:.2f} to {high:.2f}, p {p_value(found.p)}): the effect above is net of what these changed."
            )
        return said

    def _held_out(self) -> str:
        if not self.anyhow:
            return f"Nobody of the {self.held:,} held out is known to have been reached by it in another way."
        ways = [
            f"{count:,} {words}"
            for count, words in (
                (self.code, "redeemed its code"),
                (self.ad, "met it as an ad or in person"),
                (self.run, "got it by another run"),
            )
            if count
        ]
        return (
            f"{self.anyhow:,} of the {self.held:,} held out {'was' if self.anyhow == 1 else 'were'} reached by it all the same ({', '.join(ways)}): the true effect "
            "is rather larger than the one above."
        )

    def as_json(self) -> dict[str, Any]:
        """Return everything with stable keys; null where nothing can be compared, with the reason."""
        found = self.difference
        return {
            "held_out": self.held,
            "reached_anyhow": self.anyhow,
            "by_code": self.code,
            "by_ad": self.ad,
            "by_another_run": self.run,
            "other_messages": [
                {"arm": one.arm, "customers": one.customers, "messages": one.messages, "per_head": one.mean}
                for one in self.others
            ],
            "difference": None
            if found is None
            else {
                "estimate": found.estimate,
                "interval": None if found.interval is None else list(found.interval),
                "p": found.p,
                "reason": found.reason or None,
            },
            "words": self.sentences(),
        }


def contamination(
    connection: sa.Connection,
    campaign: Campaign | None,
    *,
    run: ReportedRun,
    arms: tuple[Arm, ...],
    anchors: list[int],
    zone: ZoneInfo,
    as_of: int,
) -> Contamination | None:
    """Return what blurs the comparison of a run, by the longest window of its goals; None where nothing was drawn here.

    Redemptions and touches count as they were last brought up to date. `as_of` in microseconds.
    """
    if run.kind == "experiment" or not anchors or len(arms) < 2:
        return None
    goals = ((campaign.goal,) if campaign and campaign.goal else ()) + (campaign.also if campaign else ())
    window = max(
        (windows(_enrolments.c.anchor_at, anchors, one.within, zone) for one in goals),
        key=lambda one: one.last_close,
        default=windows(_enrolments.c.anchor_at, anchors, _WITHIN, zone),
    )
    held = sum(arm.customers for arm in arms if arm.held_out)
    ways = _ways(connection, run, anchors, window, as_of) if held else {}
    others, sums = _others(connection, run, arms, anchors, window, as_of)
    return Contamination(
        held=held,
        anyhow=ways.get("", 0),
        code=ways.get(CODE, 0),
        ad=ways.get(AD, 0),
        run=ways.get(RUN, 0),
        others=others,
        difference=_difference(run, arms, sums),
    )


def _ways(
    connection: sa.Connection, run: ReportedRun, anchors: list[int], window: Windows, as_of: int
) -> dict[str, int]:
    """Return how many of the held out something reached, by what it was, and under "" how many in all."""
    last = min(window.last_close, as_of)

    def reached(what: str, table: sa.FromClause, customer: Any, at: Any, *those: Any) -> sa.Select[Any]:
        return (
            sa.select(_enrolments.c.customer_id, sa.literal(what, sa.Text).label("what"))
            .select_from(table.join(_enrolments, _enrolments.c.customer_id == customer))
            .where(
                _enrolments.c.run_id == run.id,
                _enrolments.c.arm == HOLDOUT,
                COUNTED,
                at >= anchors[0],
                at < last,
                at >= _enrolments.c.anchor_at,
                at < window.closes,
                *those,
            )
        )

    offer = _redemptions.c.offer
    mine = sa.or_(offer == run.campaign, offer.startswith(f"{run.campaign}.", autoescape=True))

    def any_of(*those: sa.ColumnElement[bool]) -> bool:
        return connection.execute(sa.select(sa.literal(1)).where(*those).limit(1)).first() is not None

    # Most campaigns have one run, and many shops neither codes nor ads: then nobody held out is looked for among them.
    runs = list(
        connection.execute(
            sa.select(_runs.c.id).where(_runs.c.campaign == run.campaign, _runs.c.id != run.id)
        ).scalars()
    )
    asked = {
        # A code of somebody else's counts above all: that is how a forwarded message comes back.
        CODE: any_of(_redemptions.c.id.is_not(None))
        and reached(
            CODE,
            _redemptions,
            _redemptions.c.customer_id,
            _redemptions.c.at,
            mine,
            _redemptions.c.judged != "unknown",
        ),
        AD: any_of(_touches.c.at >= anchors[0], _touches.c.at < last)
        and reached(
            AD,
            _touches,
            _touches.c.customer_id,
            _touches.c.at,
            _touches.c.campaign == run.campaign,
            _touches.c.message_id.is_(None),
            _touches.c.kind != "redeemed",
        ),
        RUN: bool(runs)
        and reached(
            RUN,
            _messages,
            _messages.c.customer_id,
            _handed_over_at(),
            _messages.c.run_id.in_(runs),
            _messages.c.state.in_(_HANDED_OVER),
        ),
    }
    statements = [one for one in asked.values() if not isinstance(one, bool)]
    if not statements:
        return {}
    found = sa.union_all(*statements).subquery("found")
    each = (
        sa.select(*(sa.func.max(sa.case((found.c.what == what, 1), else_=0)).label(what) for what in _WAYS))
        .group_by(found.c.customer_id)
        .subquery("each")
    )
    row = connection.execute(
        sa.select(sa.func.count().label("all"), *(sa.func.sum(each.c[what]).label(what) for what in _WAYS))
    ).one()
    return {"": int(row._mapping["all"])} | {what: int(row._mapping[what] or 0) for what in _WAYS}


def _handed_over_at() -> sa.ColumnElement[int]:
    return sa.func.coalesce(_messages.c.accepted_at, _messages.c.started_at, _messages.c.due_at)


def _others(
    connection: sa.Connection,
    run: ReportedRun,
    arms: Sequence[Arm],
    anchors: list[int],
    window: Windows,
    as_of: int,
) -> tuple[tuple[PerHead, ...], dict[str, Sums]]:
    """Return other messages by arm, and their sums over the customers of each."""
    last = min(window.last_close, as_of)
    # Only runs that may have sent in this time: the ledger of a big campaign is not read to learn that it was alone.
    runs = list(
        connection.execute(
            sa.select(_runs.c.id).where(
                _runs.c.campaign != run.campaign,
                _runs.c.kind != "experiment",
                _runs.c.created_at < last,
                sa.or_(_runs.c.finished_at.is_(None), _runs.c.finished_at >= anchors[0]),
            )
        ).scalars()
    )
    found: dict[str, list[float]] = {arm.name: [0.0, 0.0] for arm in arms}
    if runs:
        at = _handed_over_at()
        per = (
            sa.select(_enrolments.c.arm, _enrolments.c.variant, sa.func.count().label("messages"))
            .select_from(_messages.join(_enrolments, _enrolments.c.customer_id == _messages.c.customer_id))
            .where(
                _enrolments.c.run_id == run.id,
                COUNTED,
                _messages.c.run_id.in_(runs),
                _messages.c.state.in_(_HANDED_OVER),
                at >= _enrolments.c.anchor_at,
                at < window.closes,
                at < as_of,
            )
            .group_by(_enrolments.c.id, _enrolments.c.arm, _enrolments.c.variant)
            .subquery("per")
        )
        count = sa.cast(per.c.messages, sa.Double)
        rows = connection.execute(
            sa.select(
                per.c.arm,
                per.c.variant,
                sa.func.sum(count).label("total"),
                sa.func.sum(count * count).label("squares"),
            ).group_by(per.c.arm, per.c.variant)
        )
        for row in rows:
            sums = found[arm_name(row.arm, row.variant)]
            sums[0] += float(row.total)
            sums[1] += float(row.squares)
    heads = tuple(PerHead(arm.name, arm.customers, int(found[arm.name][0])) for arm in arms)
    return heads, {arm.name: Sums(arm.customers, *found[arm.name]) for arm in arms}


def _difference(run: ReportedRun, arms: Sequence[Arm], sums: dict[str, Sums]) -> Difference | None:
    treated, held = Sums(0, 0.0, 0.0), Sums(0, 0.0, 0.0)
    for arm in arms:
        if arm.held_out:
            held += sums[arm.name]
        else:
            treated += sums[arm.name]
    if not treated.n or not held.n:
        return None
    one, other = treated.mean(), held.mean()
    if run.accounts:
        return Difference(one.value - other.value, None, None, 0.0, None, _ACCOUNTS)
    return welch(one, other)
