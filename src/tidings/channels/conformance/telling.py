"""Checks of what comes back: receipts once, twice and out of order, and webhooks that nobody signed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from tidings.channels.conformance.stage import (
    Behaviour,
    NotConforming,
    Stage,
    events_of,
    forgeries_of,
    message,
    need,
)
from tidings.channels.protocol import Forged, Hooked, Receipt, ReceiptKind

_GOOD = (ReceiptKind.DELIVERED,)


def tells_the_fate(stage: Stage) -> None:
    """The receipts of a message name it, and the last of them says that it was delivered."""
    receipts = [one for one in events_of(stage, Behaviour.TELLS) if isinstance(one, Receipt)]
    need(bool(receipts), "nothing was told")
    sent = message(stage)
    for one in receipts:
        named = one.reference == sent.reference or bool(one.provider_ref) or "ledger_id" in one.raw
        need(named, f"a receipt names its message by our reference or the provider's: {one}")
        need(bool(one.event_id), f"a receipt has an id of its own: {one}")
    need(any(one.kind in _GOOD for one in receipts), f"a delivered message is told as delivered: {receipts}")


def knows_a_repeat(stage: Stage) -> None:
    """Told twice and out of order, the events are the same ones: the same word has one id, other words have others."""
    events = events_of(stage, Behaviour.TELLS_TWICE)
    need(bool(events), "nothing was told")
    ids: dict[tuple[str, str, str], set[str]] = {}
    for one in events:
        if isinstance(one, Receipt):
            word = (str(one.kind), one.reference or one.provider_ref, one.code)
            ids.setdefault(word, set()).add(one.event_id)
    doubled = {word: sorted(found) for word, found in ids.items() if len(found) > 1}
    need(not doubled, f"one word was told twice under different ids: {doubled}")
    kinds: dict[str, set[str]] = {}
    for one in events:
        if isinstance(one, Receipt):
            kinds.setdefault(one.event_id, set()).add(str(one.kind))
    mixed = {name: sorted(found) for name, found in kinds.items() if len(found) > 1}
    need(not mixed, f"one id stands for different events: {mixed}")


def refuses_forgeries(stage: Stage) -> None:
    """A webhook that does not verify is refused as forged, whatever is wrong with it, and by nothing else."""
    adapter = cast("Hooked", stage.adapter(Behaviour.ACCEPTS))
    for request in forgeries_of(stage):
        try:
            believed = adapter.parse_webhook(request, datetime(2027, 3, 2, 9, tzinfo=UTC))
        except Forged:
            continue
        except Exception as error:
            raise NotConforming(
                f"a forged webhook raises Forged, not {type(error).__name__}: {error}"
            ) from error
        raise NotConforming(f"a forged webhook was believed: {believed}")
