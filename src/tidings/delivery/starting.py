"""The mark before the hand-over: `started`, under the fence, with the gate and every pause asked once more.

One statement marks the messages of all connections that wait. Whatever was committed before it (an
unsubscribe, a suppression, a pause, another sender's take-over) keeps a message back; what is not marked is not sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from tidings.delivery import gate
from tidings.delivery.claiming import put_back, refuse, why_held
from tidings.delivery.work import Claimed, Job
from tidings.store.tables import people, sending

# How often one mark is tried when what held it back is gone as soon as it is asked for.
_LOOKS = 3
_NOW = sa.bindparam("now", 0, type_=sa.BigInteger)
_FENCE = sa.bindparam("fence", 0, type_=sa.BigInteger)
_OPEN_CLAIM = (
    sa.select(sa.literal_column("1"))
    .where(sending.claims.c.id == _FENCE, sending.claims.c.state == "open")
    .correlate(None)
    .exists()
)


# A statement's text and values; where values go by position: those in order, where `now`, the fence and the ids stand.
_Prepared = tuple[str, dict[str, Any], tuple[list[Any], list[int], list[int], int] | None]


class Word(Enum):
    """What the marker answers a connection that wants to hand a message over."""

    GO = "go"
    LOST = "lost"
    HELD = "held"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Started:
    """The answer for each message id, how many the gate refused, and why the rest is held (empty when it is not)."""

    words: Mapping[int, Word]
    refused: int = 0
    held: str = ""


class StartMark:
    """The statements of one job. The hot one is compiled once a group size and then given to the driver as it is."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._prepared: dict[int, _Prepared] = {}

    @cached_property
    def _why(self) -> sa.Select[Any]:
        """Ask what the gate says; put together only where something was held back."""
        messages = sending.messages
        ids: sa.BindParameter[int] = sa.bindparam("ids", expanding=True)
        return (
            sa.select(messages.c.id, gate.verdict(self._job, _NOW).label("code"))
            .select_from(messages.join(people.customers, people.customers.c.id == messages.c.customer_id))
            .where(
                messages.c.id.in_(ids),
                messages.c.claim_id == _FENCE,
                messages.c.state == "claimed",
                _OPEN_CLAIM,
            )
        )

    def _statement(self, size: int) -> sa.UpdateBase:
        messages = sending.messages
        ids: list[sa.BindParameter[int]] = [
            sa.bindparam(f"id{number}", 0, type_=sa.BigInteger) for number in range(size)
        ]
        counted = sa.case(
            (messages.c.state == "claimed", sa.literal_column("1")), else_=sa.literal_column("0")
        )
        return (
            sa.update(messages)
            .where(
                messages.c.id.in_(ids),
                messages.c.claim_id == _FENCE,
                # `started` too: when the answer to a commit was lost, the same mark is simply made again.
                messages.c.state.in_(["claimed", "started"]),
                _OPEN_CLAIM,
                gate.sending_allowed(self._job.run_id, self._job.channel),
                gate.passes(self._job, _NOW),
            )
            .values(state="started", started_at=_NOW, attempt=messages.c.attempt + counted)
            .returning(messages.c.id)
        )

    def prepared(self, dialect: sa.Dialect, fence: int, ids: Sequence[int], now: int) -> tuple[str, Any]:
        """Return the statement that marks a group, and its values, as the driver takes them; it returns the ids."""
        # Groups are filled up to a power of two, so that a handful of texts serves all sizes.
        size = 1 << (len(ids) - 1).bit_length()
        known = self._prepared.get(size)
        if known is None:
            known = self._prepared[size] = self._compiled(size, dialect)
        text, fixed, places = known
        given = [*ids, *[ids[-1]] * (size - len(ids))]
        if places is None:
            named = dict(fixed)
            named |= {"fence": fence, "now": now}
            named |= {f"id{number}": one for number, one in enumerate(given)}
            return text, named
        values, nows, fences, first = list(places[0]), places[1], places[2], places[3]
        for at in nows:
            values[at] = now
        for at in fences:
            values[at] = fence
        values[first : first + size] = given
        return text, values

    def _compiled(self, size: int, dialect: sa.Dialect) -> _Prepared:
        compiled = self._statement(size).compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        fixed, names = dict(compiled.params), compiled.positiontup
        if not compiled.positional or names is None:
            return str(compiled), fixed, None
        nows = [at for at, name in enumerate(names) if name == "now"]
        fences = [at for at, name in enumerate(names) if name == "fence"]
        return str(compiled), fixed, ([fixed[name] for name in names], nows, fences, names.index("id0"))

    def _started(self, connection: sa.Connection, fence: int, ids: list[int], now: int) -> list[int]:
        """Mark the messages that may be handed over and return their ids."""
        text, values = self.prepared(connection.dialect, fence, ids, now)
        given = values if isinstance(values, dict) else tuple(values)
        return list(connection.exec_driver_sql(text, given).scalars())

    def mark(self, connection: sa.Connection, waiting: Sequence[Claimed], now: int) -> Started:
        """Mark what may be handed over now; say for each of the others why not, and settle those refused."""
        by_fence: dict[int, list[int]] = defaultdict(list)
        words: dict[int, Word] = {}
        if self._job.terms.timed:
            over = [one for one in waiting if one.closes is not None and one.closes <= now]
            put_back(connection, self._job, over, now)
            # Out of our hands, as if somebody had taken them over.
            words |= {one.message_id: Word.LOST for one in over}
            waiting = [one for one in waiting if one.message_id not in words]
        for one in waiting:
            by_fence[one.claim_id].append(one.message_id)
        refused, held = 0, ""
        for fence, ids in by_fence.items():
            values: dict[str, Any] = {"ids": ids, "fence": fence, "now": now}
            words |= dict.fromkeys(self._started(connection, fence, ids, now), Word.GO)
            for _ in range(_LOOKS):
                left = [one for one in ids if words.get(one, Word.HELD) is Word.HELD]
                if not left:
                    break
                more, counted, why = self._judge(connection, {**values, "ids": left})
                words |= more
                refused += counted
                if why or Word.HELD not in more.values():
                    held = held or why
                    break
                # What held them is over by now: a pause was taken back, or a consent given, between the two looks.
                again = [one for one, word in more.items() if word is Word.HELD]
                words |= dict.fromkeys(self._started(connection, fence, again, now), Word.GO)
            else:
                if any(words[one] is Word.HELD for one in ids):
                    held = held or "sending was paused and resumed several times within a moment"
        return Started(words, refused, held)

    def _judge(self, connection: sa.Connection, values: dict[str, Any]) -> tuple[dict[int, Word], int, str]:
        """Find out why messages were not marked: lost to another sender, refused by the gate, or held by a pause."""
        words = dict.fromkeys(values["ids"], Word.LOST)
        codes: dict[str, list[int]] = defaultdict(list)
        for message_id, code in connection.execute(self._why, values):
            words[message_id] = Word.REFUSED if code else Word.HELD
            if code:
                codes[code].append(message_id)
        refuse(connection, self._job, codes, values["now"])
        held = (
            why_held(connection, self._job.run_id, self._job.channel) if Word.HELD in words.values() else ""
        )
        return words, sum(len(ids) for ids in codes.values()), held
