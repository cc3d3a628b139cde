"""The orders of a run's goal, read once: the effect on the goal and what the run earned are both counted from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.definitions.kinds.campaign import Campaign, Goal
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES, Event
from tidings.definitions.workspace import Definitions
from tidings.measurement.arms import ReportedRun
from tidings.measurement.metrics import Arm
from tidings.measurement.promotions.orders import Flags, Floats, Orders, Written, read_orders
from tidings.measurement.promotions.spans import Spans
from tidings.measurement.promotions.sums import by_customer
from tidings.measurement.promotions.when import When
from tidings.segments.scope import Scope


@dataclass(frozen=True, slots=True)
class GoalOrders:
    """The orders of one goal with its windows, from the first window before to the end of the last horizon."""

    goal: Goal
    spans: Spans
    orders: Orders

    def sums(self, definitions: Definitions, goal: Goal) -> list[dict[str, Any]] | None:
        """Return, by place of the arm, what the statement of the goal's metrics would sum; None where only that can tell.

        Only the database can for another goal, where accounts were drawn, where the goal is worth a property that was not
        read, and where some amounts name no currency or another one.
        """
        orders, written = self.orders, self.orders.written
        event = definitions.events.get(goal.did) or Event(goal.did)
        if goal is not self.goal or orders.account is not None or written is None:
            return None
        if goal.worth is not None and not (
            written.alike
            and goal.worth in ("revenue", event.revenue)
            and (
                event.returns is None
                or (definitions.events.get(event.returns) is not None and event.returns != goal.did)
            )
        ):
            return None
        when = When(orders, self.spans)
        return _summed(orders, written, when.within(), when.before(), goal)


def read_goal(
    connection: sa.Connection,
    definitions: Definitions,
    campaign: Campaign | None,
    *,
    run: ReportedRun,
    arms: tuple[Arm, ...],
    anchors: Sequence[int],
    as_of: datetime,
) -> GoalOrders | None:
    """Return the orders of the first goal whose event declares revenue, else of the first that customers do; None without one.

    None as well for a test run elsewhere, for a campaign without a file, and where nobody is enrolled.
    """
    if campaign is None or run.kind == "experiment" or not anchors:
        return None
    goals = ((campaign.goal,) if campaign.goal else ()) + campaign.also
    done = [one for one in goals if one.did not in BUILT_IN_RESPONSES]
    priced = (one for one in done if (definitions.events.get(one.did) or Event(one.did)).revenue)
    goal = next(priced, None) or next(iter(done), None)
    if goal is None:
        return None
    spans = Spans.of(anchors, goal.within, ZoneInfo(definitions.workspace.zone))
    orders = read_orders(
        connection,
        definitions,
        goal,
        run=run,
        arms=arms,
        opens=spans.first_open,
        closes=min(spans.last_end(-1), to_micros(as_of)),
        scope=Scope.of(definitions, as_of),
    )
    return GoalOrders(goal, spans, orders)


def _summed(
    orders: Orders, written: Written, within: Flags, before: Flags, goal: Goal
) -> list[dict[str, Any]]:
    """Return sums and products of the number of orders (`n`) and of their worth (`m`), within the window and before."""
    ones: Floats = np.ones(len(orders.who))
    values = {
        "n": [by_customer(orders, ones, one & orders.bought) for one in (within, before)],
        "m": [by_customer(orders, written.amount, one) for one in (within, before)],
    }
    if goal.counts == "first":
        values["n"] = [(one > 0).astype(np.float64) for one in values["n"]]
    if goal.worth is None:
        values["m"] = [np.zeros(orders.customers)] * 2
    unpriced = by_customer(orders, ones, within & orders.bought & written.unpriced)
    found = []
    for place in np.unique(orders.arm).tolist():
        of = orders.arm == place
        row: dict[str, Any] = {"place": place, "lowest": None, "highest": None, "unnamed": 0}
        row["unpriced"] = int(unpriced[of].sum()) if goal.worth is not None else 0
        for prefix, columns in values.items():
            after, known = (one[of] for one in columns)
            row |= {
                f"{prefix}_s0": after.sum(),
                f"{prefix}_s1": known.sum(),
                f"{prefix}_p0_0": after @ after,
                f"{prefix}_p0_1": after @ known,
                f"{prefix}_p1_1": known @ known,
                f"{prefix}_some": int(np.count_nonzero(after)),
            }
        found.append(row)
    return found
