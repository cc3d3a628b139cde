"""A channel binding: adapter, sender, rate and secrets by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from tidings.definitions.values import Duration, Money, Price
from tidings.errors import Position


@dataclass(frozen=True, slots=True)
class Channel:
    """One file of channels/: the file name is what `via` says.

    `kind` is email, sms, fax, call or letter (the last two become files for people); `options` are the adapter's own (declared by it), `secrets` maps
    an option to the NAME of an environment variable. `places` says where the adapter, each option and
    each secret stand in the file. `cost` is for one `cost_unit`: message, segment (SMS) or page (fax).
    `patience` is how long an accepted message may stay without a receipt before the next channel is tried.
    `registered_in` are the countries (ISO 3166) with whose carriers the sender is registered, `links` the hosts that are.
    """

    id: str
    title: str
    path: str
    adapter: str
    kind: str = "email"
    sender: str = ""
    reply_to: str = ""
    connections: int = 8
    rate_per_second: Decimal | None = None
    cost: Money | Price | None = None
    cost_unit: str = "message"
    patience: Duration | None = None
    registered_in: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    options: tuple[tuple[str, str | int | Decimal | bool], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    places: tuple[tuple[str, Position], ...] = field(default=(), compare=False, repr=False)

    def place(self, name: str) -> Position:
        """Return where `adapter`, an option or a secret stands; the start of the file when nothing is known."""
        return dict(self.places).get(name, Position(self.path))
