"""Sending in turns: a batch of one run, then of the next, until nothing is left or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidings.flows.round import words_of
from tidings.flows.shares import OpenRun

# Gives where a run stands after one of its batches, as `shares.deliver_share` does.
Batch = Callable[[int], dict[str, Any]]


@dataclass(slots=True)
class Sent:
    """What was sent, by run: the row of the last batch with the sum of all."""

    by_run: dict[int, dict[str, Any]] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        """Return how many messages were handed over and accepted."""
        return sum(row["sent"] for row in self.by_run.values())

    def add(self, row: dict[str, Any]) -> None:
        """Count one batch."""
        before = self.by_run.get(row["run"], {"sent": 0})["sent"]
        self.by_run[row["run"]] = {**row, "sent": before + row["sent"]}

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a run, for people."""
        names = ("campaign", "sent", "pending", "refused", "in_doubt", "state", "reason")
        return [{name: row[name] for name in names} for row in self.by_run.values()]

    def percent(self) -> float:
        """Return how much of the runs worked on is settled."""
        pending = sum(row["pending"] for row in self.by_run.values())
        settled = sum(row["accepted"] + row["refused"] + row["in_doubt"] for row in self.by_run.values())
        return 100.0 * settled / (settled + pending) if settled + pending else 100.0

    def words(self) -> str:
        """Return it in words."""
        runs = sum(1 for row in self.by_run.values() if row["sent"])
        return f"{self.sent:,} messages sent for {runs:,} runs" if self.sent else "nothing to send"


def send_in_turns(
    look: Callable[[], Sequence[OpenRun]],
    batch: Batch,
    *,
    progress: Callable[[float], None] | None = None,
    senders: int = 4,
    seconds: float = 600.0,
    only_left: bool = False,
) -> Sent:
    """Send batches of the open runs in turn until none has anything left to send now, or `seconds` are over.

    A run that `senders` others send already is left to them. `only_left`: only runs with claims whose holder is gone. One that
    cannot be sent is noted in `troubles` and stops no other.
    """
    sent = Sent()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        more = False
        for run in look():
            if run.campaign in sent.troubles:
                continue
            if run.senders >= senders or (only_left and not run.left and run.id not in sent.by_run):
                continue
            try:
                row = batch(run.id)
            except Exception as error:
                # Whatever is wrong with this one, even a fault of ours, the others go out.
                sent.troubles[run.campaign] = words_of(error)
                continue
            sent.add(row)
            if row["sent"] and progress is not None:
                progress(sent.percent())
            # A full batch means that there is more; one that ended by itself is done for now.
            more = more or bool(row["more"])
            if time.monotonic() >= ends:
                break
        if not more:
            break
    return sent
