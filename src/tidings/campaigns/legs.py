"""The channels of a campaign in the order in which they are tried: what stands in `via`, as positions with conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from tidings.customers.identity import ADDRESS_COLUMNS
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.workspace import Definitions
from tidings.store.vocabulary import attributes_table

PREFERRED = "preferred"
UNREACHABLE = "unreachable"
# The attribute of config/attributes.yaml in which customers keep the id or the kind of the channel they like best.
CHOICE = "preferred_channel"


@dataclass(frozen=True, slots=True)
class Leg:
    """One channel at one place of `via`.

    `chosen`: the values of `preferred_channel`, in lower case, for which the place means this channel; empty where it is
    the same for everybody. `skipped`: the values for which an earlier place meant this channel already.
    """

    position: int
    channel: str
    kind: str
    chosen: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def meant(self, choice: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        """Return the condition that this place means this channel, for a customer with this choice."""
        said = sa.func.lower(sa.func.coalesce(choice, ""))
        conditions: list[sa.ColumnElement[bool]] = []
        if self.chosen:
            conditions.append(said.in_(self.chosen))
        if self.skipped:
            conditions.append(said.not_in(self.skipped))
        return sa.and_(sa.true(), *conditions)

    @property
    def for_everybody(self) -> bool:
        """Tell whether the place means this channel whatever the customer chose."""
        return not self.chosen and not self.skipped


def named_channels(campaign: Campaign) -> tuple[str, ...]:
    """Return the channels that `via` names, in order, without `preferred`."""
    return tuple(name for name in campaign.via if name != PREFERRED)


def legs_of(campaign: Campaign, definitions: Definitions) -> tuple[Leg, ...]:
    """Return the legs in the order in which they are tried; `preferred` becomes one for each channel that `via` names.

    A customer's choice counts when it is the id of such a channel, or a kind: then it means the first of that kind.
    Channels that people carry out (calls, letters) are no legs: nothing says that they do not reach.
    """
    kinds = {name: definitions.channels[name].kind for name in named_channels(campaign)}
    kinds = {name: kind for name, kind in kinds.items() if kind in ADDRESS_COLUMNS}
    named = tuple(kinds)
    words: dict[str, tuple[str, ...]] = {}
    for name in named:
        first = next(one for one in named if kinds[one] == kinds[name]) == name
        # A channel that is called like another kind is meant by its name alone.
        kind = (kinds[name],) if first and kinds[name] not in kinds else ()
        words[name] = (name.lower(), *(one for one in kind if one != name.lower()))
    has_choice = definitions.attributes.get(CHOICE) is not None
    found: list[Leg] = []
    for position, name in enumerate(campaign.via):
        if name == PREFERRED:
            if has_choice:
                tried = {one.channel for one in found}
                found += [
                    Leg(position, one, kinds[one], chosen=words[one]) for one in named if one not in tried
                ]
            continue
        if name not in kinds:
            continue
        before = [one for one in found if one.channel == name]
        if any(not one.chosen for one in before):
            continue
        skipped = tuple(word for one in before for word in one.chosen)
        found.append(Leg(position, name, kinds[name], skipped=skipped))
    return tuple(found)


def refused_by_all(
    codes: Mapping[str, sa.ColumnElement[str | None]], wanted: Leg
) -> sa.ColumnElement[str | None]:
    """Return the refusal of somebody whom no channel may reach, given the code of each kind.

    It is that of the channel the author wanted most; `unreachable` where several kinds are tried and there is an address for none.
    """
    if len(codes) == 1:
        return codes[wanted.kind]
    nowhere = sa.and_(*(code == sa.literal_column("'no_address'", sa.Text) for code in codes.values()))
    return sa.case((nowhere, sa.literal_column(f"'{UNREACHABLE}'", sa.Text)), else_=codes[wanted.kind])


def choice_column(definitions: Definitions) -> sa.Column[str]:
    """Return the column of the customers' choice; KeyError where the attribute is not declared."""
    column: sa.Column[str] = attributes_table(definitions.attributes).c[CHOICE]
    return column


def by_account(campaign: Campaign) -> bool:
    """Tell whether accounts are what is drawn and written to: one message a company."""
    return "account" in (campaign.unit, campaign.group)
