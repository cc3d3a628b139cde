"""What a sender works with: the job, one claimed message, what may come back, and the sums at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import sqlalchemy as sa

from tidings.definitions.kinds.rules import Purpose
from tidings.delivery.terms import Terms
from tidings.store.tables import sending


class Wanted(Protocol):
    """A message whose values are to be loaded."""

    @property
    def id(self) -> int:
        """The message."""
        ...

    @property
    def customer_id(self) -> int:
        """Who gets it."""
        ...

    @property
    def step(self) -> str:
        """The step of a flow, `main` of a campaign."""
        ...

    @property
    def version(self) -> int:
        """The version of a flow, 1 of a campaign."""
        ...


# Is told which messages are about to be claimed, outside any transaction, so that what takes long is not done inside the claim.
LookAhead = Callable[[Sequence[int]], None]
# Loads the variables that the templates name for a batch of messages: message id to name to value.
LoadVariables = Callable[[sa.Connection, Sequence[Wanted]], Mapping[int, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Retry:
    """When a deferred message is tried again: after `first_seconds`, then `factor` times longer, at most `attempts` times."""

    first_seconds: float = 30.0
    factor: float = 4.0
    longest_seconds: float = 3600.0
    attempts: int = 6

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait after attempt number `attempt` (from 1) failed for now."""
        return min(self.first_seconds * self.factor ** (attempt - 1), self.longest_seconds)


@dataclass(frozen=True, slots=True)
class Job:
    """One channel of one run: what is claimed and under which rules.

    `channel` is the id of the binding, `kind` email, sms or fax; `policy_hash` names the policies that a
    refusal is recorded with. `variables` loads what the templates name; None when they name nothing.
    `ahead` is told of messages before they are claimed; None where nothing is worth preparing.
    `steps`: of a flow, those of `version` whose messages are claimed, all of them under the same rules; None for the
    whole run. `first`: nothing with a lower id is left to send. `doubts`: what the purposes of each (version, step) of
    a flow say of messages in doubt; `purpose` says it of those that are not there.
    """

    run_id: int
    channel: str
    kind: str
    purpose: Purpose
    policy_hash: str = ""
    retry: Retry = Retry()
    variables: LoadVariables | None = None
    ahead: LookAhead | None = field(default=None, compare=False)
    steps: tuple[str, ...] | None = None
    version: int = 1
    first: int = 0
    doubts: Mapping[tuple[int, str], str] = field(default_factory=dict)
    terms: Terms = Terms()

    def mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        """Return the conditions on a row of messages of the run and channel that it is one of this job; none for all."""
        messages = sending.messages
        found: list[sa.ColumnElement[bool]] = []
        if self.steps is not None:
            found += [messages.c.version == self.version, messages.c.step.in_(self.steps)]
        if self.first:
            found.append(messages.c.id >= self.first)
        return tuple(found)

    @property
    def when_in_doubt(self) -> str:
        """Return the policy of the purpose for a message in doubt: hold, resend or treat as sent."""
        return self.purpose.in_doubt


@dataclass(slots=True)
class Claimed:
    """One message in our hands: everything a renderer may need; `attempt` counts hand-overs so far."""

    message_id: int
    claim_id: int
    customer_id: int
    key: str
    address: str
    locale: str | None
    channel: str
    variant: str | None
    step: str
    attempt: int
    variables: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    # The instant (microseconds) from which it must not leave any more: its hours close, or the day ends for which it is counted.
    closes: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A renderer's no: the message of this one customer cannot be made; `detail` names the field and the reason."""

    code: str
    detail: str
    rule: str = "template"


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where a run stands when the sender stops; the sums are those of the whole run, `sent_now` of this call.

    `state` is the run's: sending, paused or finished. `reason` says in one sentence why it stopped early;
    `next_due` is the instant (microseconds) at which the first deferred message may be tried again; `troubled`: the channel
    did not work, and nobody is sure that it is its set-up.
    """

    run_id: int
    state: str
    accepted: int = 0
    rejected: int = 0
    refused: int = 0
    deferred: int = 0
    in_doubt: int = 0
    pending: int = 0
    sent_now: int = 0
    reason: str = ""
    next_due: int | None = None
    troubled: bool = False

    @property
    def paused(self) -> bool:
        """Tell whether the run is paused."""
        return self.state == "paused"
