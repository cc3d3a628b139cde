"""The rules of countries where messages are written: who lives where, and what a finished message lacks for them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tidings.customers.countries import country_of, number_column
from tidings.definitions.kinds.channel import Channel
from tidings.delivery.demands import Demands, Lack, Words, words_of_email
from tidings.delivery.recorded import Recorded
from tidings.delivery.wordings import Compiled, Written
from tidings.delivery.work import Claimed
from tidings.store.tables import people

# Among the values of a message: the country of its customer. No attribute is called so, for it has a blank.
COUNTRY = "country by rules"
_Wording = tuple[str | None, str]


class RuleKeeper:
    """Holds the messages of one run on one channel against the packs of the policies. Threads may share it."""

    def __init__(self, demands: Demands, kind: str) -> None:
        self._demands, self._kind = demands, kind
        self._known: dict[tuple[_Wording, str | None], Lack | None] = {}

    @classmethod
    def of(cls, run: Recorded, channel: Channel) -> RuleKeeper | None:
        """Return what keeps the rules for the messages of a run on a channel; None where nothing is asked of them."""
        purpose = run.definitions.policies.purpose(run.campaign_of().purpose)
        if purpose is None or not run.definitions.policies.rules:
            return None
        demands = Demands(run.definitions, run.campaign, channel, purpose.message_class)
        return cls(demands, channel.kind) if demands.any else None

    def countries(self, connection: sa.Connection, customer_ids: Sequence[int]) -> dict[int, str | None]:
        """Return the country of each customer, None where nothing says it."""
        customers = people.customers
        rows = connection.execute(
            sa.select(customers.c.id, customers.c.country, number_column(self._kind)).where(
                customers.c.id.in_(customer_ids)
            )
        )
        return {row[0]: country_of(row[1], row[2], self._demands.home) for row in rows}

    def lack(
        self, message: Claimed, wanted: _Wording, compiled: Compiled, written: Written, leave: str
    ) -> Lack | None:
        """Return what a finished message lacks for its customer, or None. `leave` is where this customer unsubscribes."""
        country = message.variables.get(COUNTRY)
        packs = self._demands.packs_of(country)
        if not packs:
            return None
        # What an e-mail says to everybody alike is looked at once.
        steady = bool(getattr(compiled, "steady", False))
        if steady and (wanted, country) in self._known:
            return self._known[wanted, country]
        found = self._demands.lacking(self._words(written, leave), packs)
        if steady:
            self._known[wanted, country] = found
        return found

    def _words(self, written: Written, leave: str) -> Words:
        if self._kind != "email":
            return Words("", (written.payload.decode(),), leave)
        if written.parts is None:
            return words_of_email(written.payload, leave)
        bodies = (written.parts.text, *([written.parts.html] if written.parts.html else ()))
        return Words(written.parts.subject, bodies, leave)
