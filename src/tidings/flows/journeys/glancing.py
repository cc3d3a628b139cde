"""One cheap look at a flow: is anybody due, and did anything come in that people wait for.

It is asked every second for every flow, so it is one statement of fixed text: a seek a step, and the newest ids.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa

from tidings.flows.journeys.deciding import Walk
from tidings.flows.journeys.waiting import BY_LEDGER, Looked
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables.base import Json
from tidings.store.tables.journeys import trigger_marks

MARK = "wait"
_STEPS = {"sqlite": "json_each(:steps) AS s", "postgresql": "unnest(CAST(:steps AS text[])) AS s(value)"}
_DUE = """
SELECT r.state, r.version, s.value, (
  SELECT min(j.due_at) FROM journeys AS j WHERE j.run_id = r.id AND j.step = s.value AND j.state = 'walking'
) AS due{more} FROM runs AS r, {steps} WHERE r.id = :run"""
_NEWEST = """,
  (SELECT max(id) FROM events) AS event, (SELECT max(id) FROM responses) AS response,
  (SELECT max(id) FROM redemptions) AS redemption,
  (SELECT m.detail FROM trigger_marks AS m WHERE m.run_id = r.id AND m.name = 'wait') AS mark"""


def _statements() -> dict[tuple[str, bool], sa.Executable]:
    made: dict[tuple[str, bool], sa.Executable] = {}
    for dialect, steps in _STEPS.items():
        for waits in (False, True):
            text = sa.text(_DUE.format(steps=steps, more=_NEWEST if waits else ""))
            made[dialect, waits] = text.columns(mark=Json) if waits else text
    return made


_STATEMENTS = _statements()


@dataclass(frozen=True, slots=True)
class Glance:
    """The steps at which somebody is due, whether something came in that may answer a wait, and how far that was looked through."""

    due: frozenset[str]
    news: bool
    looked: Looked | None


def glance(store: Store, walk: Walk) -> Glance | None:
    """Look at a flow; None when its run is not sending, or has another version than the one walked by."""
    waited = {step.name: step.wait_for.event for step in walk.flow.steps if step.wait_for is not None}
    names = [step.name for step in walk.flow.steps]
    steps = names if store.dialect == "postgresql" else json.dumps(names, ensure_ascii=False)
    with store.read() as connection:
        rows = connection.execute(
            _STATEMENTS[store.dialect, bool(waited)], {"steps": steps, "run": walk.run_id}
        ).all()
    if not rows or rows[0].state != "sending" or rows[0].version != walk.version:
        return None
    due = frozenset(row.value for row in rows if row.due is not None and row.due <= walk.at)
    if not waited:
        return Glance(due, False, None)
    mark = rows[0].mark
    looked = Looked.from_json(mark) if mark else None
    # What became of a message has no row of its own among the answers by which to tell that it is new.
    ledger = any(row.due is not None and waited.get(row.value) in BY_LEDGER for row in rows)
    newest = (rows[0].event or 0, rows[0].response or 0, rows[0].redemption or 0)
    news = looked is None or ledger or looked.behind(*newest)
    return Glance(due, news, looked)


def remember(connection: sa.Connection, walk: Walk, looked: Looked) -> None:
    """Store how far what came in has been looked through, in the caller's transaction."""
    which = (trigger_marks.c.run_id == walk.run_id, trigger_marks.c.name == MARK)
    values = {"low": looked.events.low, "detail": looked.as_json()}
    if connection.execute(sa.update(trigger_marks).where(*which).values(values)).rowcount == 0:
        # Another worker may have looked for the first time as well; its mark is as good.
        first = insert_ignoring(connection, trigger_marks)
        connection.execute(first.values(run_id=walk.run_id, name=MARK, **values))
