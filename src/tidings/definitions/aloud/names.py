"""What every language needs to read definitions aloud: the titles of what they name, and plain figures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from tidings.definitions.kinds.campaign import Campaign, Goal
from tidings.definitions.kinds.flow import Flow
from tidings.definitions.kinds.rules import KNOWN_EVENTS
from tidings.definitions.money import exponent, price_of
from tidings.definitions.values import Money, Price, Share
from tidings.definitions.workspace import Definitions


class Names:
    """Titles by name; the name itself where there is no title.

    `built_in` are the words of a language for the columns and responses that every workspace has.
    """

    def __init__(self, definitions: Definitions, built_in: Mapping[str, str] | None = None) -> None:
        self.definitions = definitions
        self.built_in = built_in or {}

    def attribute(self, name: str) -> str:
        """Return what people call an attribute."""
        found = self.definitions.attributes.get(name)
        return found.title or name if found else self.built_in.get(name, name)

    def ranked(self, name: str) -> str:
        """Return what people call an attribute or a score that customers are put in order by."""
        score = self.definitions.scores.get(name)
        return score.title or name if score else self.attribute(name)

    def aim(self, name: str) -> str:
        """Return what people call a goal of the company."""
        goals = self.definitions.goals.goals if self.definitions.goals else ()
        return next((one.title for one in goals if one.id == name), name)

    def person(self, name: str) -> str:
        """Return what people call somebody of the staff."""
        found = self.definitions.staff.get(name)
        return found.title or name if found else name

    def holdout(self, campaign: Campaign | Flow) -> Share | None:
        """Return the share held out, also where the campaign leaves it to its purpose; None where the plan decides."""
        purpose = self.definitions.policies.purpose(campaign.purpose)
        if campaign.holdout.share is not None or purpose is None:
            return campaign.holdout.share
        return purpose.holdout

    def attribute_type(self, name: str) -> str:
        """Return the type of an attribute; a fixed column is a text."""
        found = self.definitions.attributes.get(name)
        return found.type if found else "text"

    def currency(self, name: str) -> str:
        """Return the currency of a money attribute, empty for others."""
        found = self.definitions.attributes.get(name)
        return (found.currency or "") if found else ""

    def property_type(self, event: str, name: str) -> str:
        """Return the type of a property of an event."""
        declared = self.definitions.events.get(event) or KNOWN_EVENTS.get(event)
        found = declared.property(name) if declared else None
        return found.type if found else "text"

    def property_currency(self, event: str, name: str) -> str:
        """Return the currency of a money property, empty for others."""
        declared = self.definitions.events.get(event) or KNOWN_EVENTS.get(event)
        found = declared.property(name) if declared else None
        if found is None or found.type != "money":
            return ""
        return found.currency or self.definitions.workspace.currency

    def event(self, name: str) -> str:
        """Return what people call an event."""
        found = next((one for one in self.definitions.events.events if one.name == name), None)
        return found.title or name if found else self.built_in.get(name, name)

    def worth(self, goal: Goal) -> tuple[str, str]:
        """Return what a goal is worth: `revenue` or `margin` where the event declares the property as that, else "", and its name."""
        declared = self.definitions.events.get(goal.did)
        name = goal.worth or ""
        if declared and name:
            for word, of in (("revenue", declared.revenue), ("margin", declared.margin)):
                if name in (word, of):
                    return word, of or name
        return "", name

    def segment(self, name: str) -> str:
        """Return the title of a segment."""
        found = self.definitions.segments.get(name)
        return found.title if found else name

    def kind(self, channel: str) -> tuple[str, str]:
        """Return the kind of a channel, and its name where the kind alone does not say which it is."""
        found = self.definitions.channels.get(channel)
        if found is None:
            return "", channel
        same = [one for one in self.definitions.channels.values() if one.kind == found.kind]
        return found.kind, channel if len(same) > 1 else ""


def figure(value: Decimal | int, group: str, currency: str = "") -> str:
    """Return a number without needless decimals, its thousands set apart by a sign; parts of money in full."""
    plain = f"{Decimal(value):f}"
    whole, _, part = plain.partition(".")
    part = part.rstrip("0")
    if part and currency:
        part = part.ljust(exponent(currency), "0")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    shown = f"{int(digits):,}".replace(",", group) if len(digits) > 4 or group == "," else digits
    return f"{sign}{shown}{'.' + part if part else ''}"


def amount(money: Money | Price) -> Decimal:
    """Return an amount of money in major units."""
    return price_of(money.millionths, money.currency)


def day_of(value: date | datetime) -> date:
    """Return the day of a date or a moment."""
    return value.date() if isinstance(value, datetime) else value


def hour_of(value: date | datetime) -> str:
    """Return the hour of a moment as 09:30, empty for a date."""
    return f"{value:%H:%M}" if isinstance(value, datetime) else ""


def equal_shares(campaign: Campaign) -> bool:
    """Tell whether no variant has a share of its own."""
    return all(one.share is None for one in campaign.variants)
