"""Writes the messages of several steps of a flow on one channel, each by the writer of its step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tidings.channels.protocol import Outgoing
from tidings.delivery.work import Claimed, LookAhead, Refusal, Wanted
from tidings.delivery.writing import Writer
from tidings.store.database import Store


class StepWriters:
    """What a `Writer` does, for the steps of one version; `writers` by the name of the step."""

    def __init__(self, writers: Mapping[str, Writer]) -> None:
        self._writers = writers

    def record_links(self, store: Store) -> None:
        """Write down where the links of each wording lead."""
        for writer in self._writers.values():
            writer.record_links(store)

    def load(self, connection: sa.Connection, wanted: Sequence[Wanted]) -> Mapping[int, Mapping[str, Any]]:
        """Load what a batch needs, by message: of each what the template of its own step names."""
        by_step: dict[str, list[Wanted]] = defaultdict(list)
        for one in wanted:
            by_step[one.step].append(one)
        values: dict[int, Mapping[str, Any]] = {}
        for step, of_step in by_step.items():
            values.update(self._writers[step].load(connection, of_step))
        return values

    @property
    def ahead(self) -> LookAhead | None:
        """Return what prepares the products of messages that are about to be claimed; None where no step recommends any."""
        found = [one for writer in self._writers.values() if (one := writer.ahead) is not None]

        def every(message_ids: Sequence[int]) -> None:
            for one in found:
                one(message_ids)

        return every if found else None

    @property
    def watched(self) -> bool:
        """Tell whether a message of any step may take long to make."""
        return any(writer.watched for writer in self._writers.values())

    def render(self, message: Claimed) -> Outgoing | Refusal:
        """Return the finished message, or why this one customer's cannot be written."""
        return self._writers[message.step].render(message)

    def render_many(self, messages: Sequence[Claimed]) -> list[Outgoing | Refusal]:
        """Return each finished message, or why it cannot be written, in order; TidingsError when none can be made."""
        by_step: dict[str, list[int]] = defaultdict(list)
        for place, message in enumerate(messages):
            by_step[message.step].append(place)
        made: dict[int, Outgoing | Refusal] = {}
        for step, places in by_step.items():
            written = self._writers[step].render_many([messages[place] for place in places])
            made.update(zip(places, written, strict=True))
        return [made[place] for place in range(len(messages))]

    def close(self) -> None:
        """End the processes that render, where there are any."""
        for writer in self._writers.values():
            writer.close()
