"""Opens and clicks that a provider tells of: hits like those of our own tracker, judged by the same rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tidings.delivery.effects import Engaged
from tidings.responses.classify import BY_PROVIDER
from tidings.responses.networks import Networks
from tidings.responses.request import network, printable
from tidings.responses.storing import Arrived, apply, prepare


def engage(
    connection: sa.Connection, engaged: Sequence[Engaged], now: int, *, networks: Networks | None = None
) -> None:
    """Store opens and clicks in the transaction that applies their receipts; what was told before is left out."""
    arrived = {one.key: Arrived(one.key, 0, _record(one)) for one in engaged}
    apply(
        connection, prepare(connection, list(arrived.values()), now=now, networks=networks), salt="", now=now
    )


def _record(one: Engaged) -> dict[str, Any]:
    record: dict[str, Any] = {"k": one.kind, "at": one.at, "m": one.message_id, "method": BY_PROVIDER}
    if one.url:
        record["url"] = one.url
    agent = one.said.get("useragent") or one.said.get("user_agent")
    if isinstance(agent, str) and agent:
        record["ua"] = printable(agent.encode("utf-8", "replace"))
    address = one.said.get("ip")
    if isinstance(address, str) and (known := network(address)):
        record["ip"] = known
    if one.machine:
        record["machine"] = True
    return record
