"""Flows go on by statements about everybody who is due at a step, never one for each person."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from flows.test_walking_sentences import VIP, at, days, send
from support.flow_stage import FlowStage, flow_of
from tidings.definitions.kinds.flow import Step, WaitFor


def test_so_many_statements_move_one_and_so_many_move_everybody_who_is_due(store) -> None:
    flow = flow_of(
        send("a", when=(VIP,)), send("b", instead_of="a"),
        Step("w", "wait_for", wait_for=WaitFor("order", days(1))), send("c"),
    )  # fmt: skip
    counts = []
    for people_in in (1, 40):
        stage = FlowStage(store, replace(flow, id=f"{flow.id}{people_in}"))
        entered = [stage.start(at(2), vip=True) for _ in range(people_in)]
        said: list[str] = []
        note = lambda *given, said=said: said.append(given[2])  # noqa: E731
        sa.event.listen(sa.Engine, "after_cursor_execute", note)
        try:
            stage.walk(at(2))
            stage.walk(at(3, 9, 1))
        finally:
            sa.event.remove(sa.Engine, "after_cursor_execute", note)
        assert all(stage.sent(one) == ["a", "c"] for one in entered[:3])
        assert len(stage.messages()) == 2 * people_in
        counts.append(len(said))
    assert counts[0] == counts[1] > 10
