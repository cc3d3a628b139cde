"""How standing approvals stand, for `tidings runs`: what waits to go out by itself, and when it does next."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.hours import ONCE
from tidings.campaigns.occurrences import next_ones
from tidings.campaigns.standing import open_approvals
from tidings.clock import from_micros, iso
from tidings.definitions.files import HOLIDAYS_FILE
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.workspace import Definitions
from tidings.store.database import Store
from tidings.store.tables import journeys

_occurrences = journeys.occurrences


@dataclass(frozen=True, slots=True)
class ApprovalStands:
    """One approval: `state` is approved, held or paused, with the reason.

    `day` and `hour` are those of the next occurrence as written, on the workspace's clock or on each recipient's; `starts` is
    the instant at which its run begins. All three are None where nothing is to come, and where the files cannot be read that
    would say what comes: `why_no_day` then names the file.
    """

    campaign: str
    state: str
    reason: str
    approved_by: str
    bounds: Mapping[str, Any]
    day: date | None = None
    hour: str | None = None
    clock: str = "workspace"
    starts: datetime | None = None
    why_no_day: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "campaign": self.campaign,
            "state": self.state,
            "reason": self.reason or None,
            "approved_by": self.approved_by,
            "bounds": dict(self.bounds),
            "day": self.day.isoformat() if self.day else None,
            "hour": self.hour,
            "clock": self.clock,
            "starts": iso(self.starts) if self.starts else None,
        }


def approvals_standing(
    store: Store, definitions: Definitions, now: datetime, *, broken: Collection[str] = ()
) -> list[ApprovalStands]:
    """Return the open approvals of campaigns with their next occurrence, in order of their names.

    `broken` are the paths of files that could not be read: what they decide is not guessed.
    """
    zone = ZoneInfo(definitions.workspace.zone)
    found = []
    for one in open_approvals(store):
        state = "approved" if one.state == "active" else "paused" if one.paused else "held"
        campaign = definitions.campaigns.get(one.campaign)
        told: dict[str, Any] = {
            "campaign": one.campaign, "state": state, "reason": one.reason or "", "approved_by": one.approved_by,
            "bounds": one.bounds, "clock": campaign.clock if campaign else "workspace",
        }  # fmt: skip
        missing = _missing(one.campaign, campaign, broken)
        if campaign is not None and campaign.recurrence is not None and not missing:
            for coming in next_ones(store, campaign, definitions, now, 1):
                hour = f"{campaign.recurrence.every.at:%H:%M}"
                told |= {"day": coming.occurrence.day, "hour": hour, "starts": coming.starts}
        elif (due := _once(store, one.campaign)) is not None:
            local = due.astimezone(zone)
            told |= {"day": local.date(), "hour": f"{local:%H:%M}", "starts": due}
        elif missing:
            told["why_no_day"] = f"{missing} cannot be read"
        found.append(ApprovalStands(**told))
    return found


def _missing(name: str, campaign: Campaign | None, broken: Collection[str]) -> str:
    """Return the file without which nobody knows when a campaign goes out next; empty when it can be known."""
    if campaign is None:
        path = f"campaigns/{name}.yaml"
        return path if path in broken else ""
    moved = campaign.recurrence is not None and campaign.recurrence.on_holidays != "send"
    return HOLIDAYS_FILE if moved and HOLIDAYS_FILE in broken else ""


def _once(store: Store, campaign: str) -> datetime | None:
    """Return when a campaign that goes out once is to be started, while it is not."""
    with store.read() as connection:
        due = connection.execute(
            sa.select(_occurrences.c.due_at).where(
                _occurrences.c.campaign == campaign,
                _occurrences.c.occurrence == ONCE,
                _occurrences.c.run_id.is_(None),
                _occurrences.c.state.in_(["starting", "held"]),
            )
        ).scalar()
    return None if due is None else from_micros(due)
