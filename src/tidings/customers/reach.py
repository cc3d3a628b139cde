"""Who may be written to now, on which channel and for what; and what the others lack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.customers.alive import alive
from tidings.customers.house import house_of
from tidings.customers.identity import ADDRESS_COLUMNS
from tidings.customers.permission import reach_counts
from tidings.definitions.kinds.importing import CustomersImport, Import
from tidings.definitions.workspace import Definitions
from tidings.store.tables import people

# What a refusal means to somebody who reads a table.
WORDS: dict[str, str | dict[str, str]] = {
    "no_address": {"email": "no e-mail address", "sms": "no phone number", "fax": "no fax number"},
    "invalid_address": {"email": "no real e-mail address", "sms": "no real number", "fax": "no real number"},
    "no_consent": "no consent",
    "dnc_listed": "on a do-not-call list",
    "country_blocked": "in a country that is left out",
    "sender_unverified": "sender not registered there",
    "missing_unsubscribe": "no numbers of their country to leave by",
    "consent_expired": "consent too old",
    "consent_unconfirmed": "consent not confirmed",
    "stop_sms": "said STOP",
    "fax_optout": "wants no faxes",
    "unsubscribed_all": "unsubscribed from everything",
    "unsubscribed_list": "unsubscribed",
    "suppressed_complaint": "complained",
    "suppressed_bounce": "address does not work",
    "suppressed_manual": "on the do-not-send list",
    "suppressed_erased": "erased",
    "merged": "merged into another",
}


@dataclass(frozen=True, slots=True)
class Reach:
    """On a channel kind for a purpose: how many may be written to, and the others by refusal code."""

    channel: str
    purpose: str
    reachable: int
    refused: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "channel": self.channel,
            "purpose": self.purpose,
            "reachable": self.reachable,
            "refused": dict(sorted(self.refused.items())),
        }


def reach(connection: sa.Connection, definitions: Definitions, *, now: int) -> tuple[Reach, ...]:
    """Count for every purpose that needs consent, on every kind of channel that is bound or has an address.

    Where no customer has an address of a kind, nobody is looked at one by one.
    """
    purposes = [one for one in definitions.policies.purposes if one.consent == "required"]
    bound = {channel.kind for channel in definitions.channels.values()}
    customers = people.customers
    living = alive()
    there = connection.execute(sa.select(sa.func.count()).select_from(customers).where(living)).scalar_one()
    found: list[Reach] = []
    for kind, column in ADDRESS_COLUMNS.items():
        has_one = sa.select(customers.c.id).where(living, customers.c[column].is_not(None)).limit(1)
        if connection.execute(has_one).first() is None:
            if kind in bound and there:
                found += [Reach(kind, one.name, 0, {"no_address": there}) for one in purposes]
            continue
        counted = reach_counts(
            connection,
            purposes,
            [kind],
            now=now,
            houses=lambda one, of: house_of(definitions, of, one, definitions.channels),
        )
        for (_, purpose), counts in counted.items():
            refused = {code: count for code, count in counts.items() if code is not None}
            found.append(Reach(kind, purpose, counts.get(None, 0), refused))
    return tuple(found)


def missing_columns(mapping: Import, definitions: Definitions) -> tuple[str, ...]:
    """Return, in words, what a mapping of customers does not bring although reaching them would need it."""
    if not isinstance(mapping, CustomersImport):
        return ()
    kinds = {name: channel.kind for name, channel in definitions.channels.items()}
    used = sorted(set(kinds.values()) | {kinds.get(one.channel, one.channel) for one in mapping.consents})
    filled = {name for name, _ in mapping.fields}
    given = {(kinds.get(one.channel, one.channel), one.purpose) for one in mapping.consents}
    missing = []
    for kind in used:
        if ADDRESS_COLUMNS.get(kind, kind) not in filled:
            missing.append(ADDRESS_COLUMNS.get(kind, kind))
        missing += [
            f"consent to {kind} for {one.name}"
            for one in definitions.policies.purposes
            if one.consent == "required" and not {(kind, one.name), (kind, "all")} & given
        ]
    return tuple(missing)
