"""The coming times of a recurring campaign in this workspace: its rhythm, the company's holidays, where customers are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.holidays import Holidays
from tidings.campaigns.hours import Occasion, starts_at
from tidings.campaigns.recurring import Occurrence, occurrences
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.workspace import Definitions
from tidings.store.database import Store
from tidings.store.tables import journeys

# By the recipients' clock a day begins up to so long before and after the workspace's.
_APART = timedelta(hours=27)
# The rarest rhythm comes once a month, and a holiday may leave out some in a row.
_AHEAD = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Coming:
    """One occurrence and the instant at which its run is to be started: the hour in the earliest zone, by the recipients' clock."""

    occurrence: Occurrence
    starts: datetime

    @property
    def key(self) -> str:
        """The local date that it is known by."""
        return self.occurrence.key


def company_holidays(definitions: Definitions) -> Holidays:
    """Return what config/holidays.yaml says, as rhythms ask for it."""
    return Holidays.of(definitions.holidays.days, definitions.holidays.workdays)


def coming(
    store: Store, campaign: Campaign, definitions: Definitions, after: datetime, until: datetime
) -> list[Coming]:
    """Return the occurrences that are to be started after one instant and through another, in order.

    Those that a holiday leaves out are among them, with the reason in `occurrence.left_out`.
    """
    if campaign.recurrence is None:
        return []
    zone = ZoneInfo(definitions.workspace.zone)
    places = customers_zones(store) if campaign.clock == "recipient" else ()
    apart = _APART if places else timedelta(0)
    found = occurrences(
        campaign.recurrence, zone, after - apart, until + apart, company_holidays(definitions)
    )
    made = [Coming(one, starts_at(campaign, one.day, places, zone)) for one in found]
    return sorted((one for one in made if after < one.starts <= until), key=lambda one: (one.starts, one.key))


def customers_zones(store: Store) -> tuple[str, ...]:
    """Return the zones that customers may be in, as they stand in `zone_areas`, each once."""
    table = journeys.zone_areas
    with store.read() as connection:
        return tuple(
            connection.execute(
                sa.select(table.c.zones).where(table.c.zones != "").distinct().order_by(table.c.zones)
            ).scalars()
        )


def next_ones(
    store: Store, campaign: Campaign, definitions: Definitions, now: datetime, count: int
) -> list[Coming]:
    """Return the next occurrences that are sent, `count` of them at most."""
    span = _AHEAD if campaign.recurrence and campaign.recurrence.every.unit == "month" else _AHEAD / 4
    found = coming(store, campaign, definitions, now, now + span)
    if not found and campaign.recurrence and campaign.recurrence.first is not None:
        first = campaign.recurrence.first
        begins = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(definitions.workspace.zone))
        if begins > now:
            found = coming(store, campaign, definitions, begins - _APART, begins + span)
    return [one for one in found if not one.occurrence.left_out][:count]


def next_occasion(store: Store, campaign: Campaign, definitions: Definitions, now: datetime) -> Occasion | None:  # fmt: skip
    """Return the next occasion of a recurring campaign, or None when it has come for the last time."""
    found = next_ones(store, campaign, definitions, now, 1)
    return Occasion.at(campaign, found[0].occurrence) if found else None
