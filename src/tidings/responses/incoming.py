"""Everything that comes from providers, whichever way it comes: by a hook, by asking, or on an open connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.delivery.receipts import TakenIn, rematch, take_in
from tidings.delivery.withdrawing import kind_of
from tidings.errors import StoreError
from tidings.responses.engagement import engage
from tidings.responses.inbound import Answered, House, take_answers
from tidings.responses.networks import networks_of
from tidings.store.database import Store

if TYPE_CHECKING:
    from tidings.channels.protocol import ChannelEvent
    from tidings.definitions.workspace import Definitions


_AGAIN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Came:
    """What was taken in: receipts and answers."""

    receipts: TakenIn = TakenIn()
    answers: Answered = Answered()

    def __add__(self, other: Came) -> Came:
        return Came(self.receipts + other.receipts, self.answers + other.answers)


def house_of(definitions: Definitions) -> House:
    """Return who we are, for a workspace."""
    workspace = definitions.workspace
    return House(
        salt=workspace.salt,
        title=workspace.title,
        postal_address=workspace.postal_address,
        locale=workspace.locale,
        country=workspace.country,
        always_sent=tuple(
            one.name for one in definitions.policies.purposes if one.message_class == "transactional"
        ),
        kinds={channel.id: channel.kind for channel in definitions.channels.values()},
        networks=networks_of(definitions.root),
    )


def is_hopeless(error: Exception) -> bool:
    """Tell whether trying again changes nothing: the rows themselves are refused, the store is neither locked nor away."""
    if isinstance(error, StoreError):
        return isinstance(error.__cause__, sa.exc.IntegrityError | sa.exc.DataError)
    return isinstance(error, ValueError | TypeError | AttributeError | LookupError | ArithmeticError)


class Incoming:
    """Takes events of providers into one store; threads may share it."""

    def __init__(self, store: Store, house: House) -> None:
        self._store = store
        self._house = house
        self._engage = partial(engage, networks=house.networks)

    def take(
        self, channel: str, provider: str, events: Sequence[ChannelEvent], *, now: datetime, kind: str = ""
    ) -> Came:
        """Store events and let them take effect; the same events may be given again at any time.

        `provider` is the adapter's name; `kind` is that of a channel which is not bound any more. Raises StoreError
        when the store cannot take them now; what was committed stays.
        """
        from tidings.channels.protocol import Inbound, Receipt

        kinds = dict(self._house.kinds or {})
        kinds.setdefault(channel, kind or kind_of(channel, kinds))
        receipts = [event for event in events if isinstance(event, Receipt)]
        answers = [event for event in events if isinstance(event, Inbound)]
        came = Came()
        if receipts:
            came += Came(
                take_in(
                    self._store,
                    channel,
                    provider,
                    receipts,
                    salt=self._house.salt,
                    now=now,
                    kinds=kinds,
                    engage=self._engage,
                )
            )
        if answers:
            taken = take_answers(
                self._store,
                channel,
                provider,
                answers,
                kind=kinds[channel],
                house=self._house,
                now=to_micros(now),
            )
            came += Came(answers=taken)
        return came

    def take_each(
        self, channel: str, provider: str, events: Sequence[ChannelEvent], *, now: datetime, kind: str = ""
    ) -> tuple[Came, list[tuple[ChannelEvent, Exception]]]:
        """Take events, and return those that the store can never take, each with the reason, beside what was taken."""
        try:
            return self.take(channel, provider, events, now=now, kind=kind), []
        except Exception as error:
            if not is_hopeless(error):
                raise
            if len(events) < 2:
                return self._once_more(channel, provider, events, now=now, kind=kind)
        half = len(events) // 2
        first, refused = self.take_each(channel, provider, events[:half], now=now, kind=kind)
        rest, more = self.take_each(channel, provider, events[half:], now=now, kind=kind)
        return first + rest, refused + more

    def _once_more(
        self, channel: str, provider: str, events: Sequence[ChannelEvent], *, now: datetime, kind: str
    ) -> tuple[Came, list[tuple[ChannelEvent, Exception]]]:
        """Take one event again, for somebody else may have stored the same in between; then give it up."""
        self._store.clock.sleep(_AGAIN_SECONDS)
        try:
            return self.take(channel, provider, events, now=now, kind=kind), []
        except Exception as error:
            if not is_hopeless(error):
                raise
            return Came(), [(event, error) for event in events]

    def look_again(self, *, now: datetime, deep: bool = False) -> TakenIn:
        """Look again at receipts that wait for their message; see `rematch`."""
        return rematch(
            self._store,
            salt=self._house.salt,
            now=now,
            kinds=self._house.kinds,
            engage=self._engage,
            deep=deep,
        )
