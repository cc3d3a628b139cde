"""`verify` holds for an honest ledger, and each check finds the break that it is for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from support.ledger_channel import Answer, Channel, render
from support.ledger_world import seed
from tidings.delivery.sender import deliver
from tidings.delivery.verify import RunSum, verify
from tidings.store import audit
from tidings.store.artifacts import put
from tidings.store.database import Store
from tidings.store.tables import answers, keeping, sending

messages, enrolments, claims, attempts = (
    sending.messages,
    sending.enrolments,
    sending.claims,
    sending.attempts,
)


@pytest.fixture
def sent(make_store: Callable[..., Store], dialect: str) -> Store:
    """A finished run with each outcome: 1 in doubt, 2 rejected, 3 refused, the others accepted; 13-15 held out."""
    return make_store(dialect, fill=_send)


def _send(store: Store) -> None:
    world = seed(store, 12, holdout=3)
    script = {
        "1@shop.example": Answer("in_doubt", detail="connection lost"),
        "2@shop.example": Answer("rejected", "recipient", "550 5.1.1 unknown"),
    }
    with store.durable("test") as connection:
        connection.execute(sa.update(messages).where(messages.c.customer_id == 3).values(expires_at=1))
        audit.append(connection, 1, "ann", "did", "this", {})
        audit.append(connection, 2, "ann", "did", "that", {})
        sha = put(connection, "file", b"campaign: Spring", 1)
        connection.execute(
            sa.insert(sending.run_artifacts).values(run_id=world.run_id, role="file:x", sha256=sha)
        )
    channel = Channel(lambda letter, _copies: script.get(letter.recipient, Answer("accepted")))
    deliver(store, world.job, adapter=channel, render=render, clock=store.clock, connections=2)


def _run_id(store: Store) -> int:
    with store.read() as connection:
        return connection.execute(sa.select(sending.runs.c.id)).scalar_one()


def test_an_honest_ledger_holds_and_its_sums_are_told(sent: Store) -> None:
    verdict = verify(sent)
    assert verdict.broken == ()
    assert verdict.runs == (RunSum(_run_id(sent), "spring", "once", "finished", 12, 9, 1, 1, 1, 0, 0),)
    assert verdict.audit_rows == 2
    assert verdict.as_json()["holds"] is True
    assert len(verdict.checks) == len(set(verdict.checks)) == 43


def test_an_empty_store_holds(store: Store) -> None:
    assert verify(store).broken == ()


def _of(customer: int) -> sa.ColumnElement[bool]:
    return messages.c.customer_id == customer


def _drop_message(connection: sa.Connection) -> None:
    connection.execute(sa.delete(messages).where(_of(5)))


def _drop_enrolment(connection: sa.Connection) -> None:
    connection.execute(sa.delete(enrolments).where(enrolments.c.customer_id == 13))


def _message_for_holdout(connection: sa.Connection) -> None:
    connection.execute(sa.update(enrolments).where(enrolments.c.customer_id == 5).values(arm="holdout"))


def _two_open(connection: sa.Connection) -> None:
    connection.exec_driver_sql("DROP INDEX uq_messages_open")
    row = connection.execute(sa.select(messages).where(_of(5))).one()._asdict()
    connection.execute(sa.insert(messages).values({**row, "id": 9999, "leg": 1}))


def _other_customer(connection: sa.Connection) -> None:
    connection.execute(sa.update(messages).where(_of(5)).values(customer_id=6))


def _nobody_holds(connection: sa.Connection) -> None:
    connection.execute(sa.update(messages).where(_of(5)).values(state="started"))


def _accepted_unstarted(connection: sa.Connection) -> None:
    connection.execute(sa.update(messages).where(_of(5)).values(started_at=None))


def _accepted_without_time(connection: sa.Connection) -> None:
    connection.execute(sa.update(messages).where(_of(5)).values(accepted_at=None))


def _started_too_early(connection: sa.Connection) -> None:
    connection.execute(sa.update(messages).where(_of(5)).values(started_at=1))


def _refused_without_reason(connection: sa.Connection) -> None:
    connection.execute(sa.update(messages).where(_of(3)).values(refusal_code=None))


def _no_attempt(connection: sa.Connection) -> None:
    connection.execute(sa.delete(attempts))


def _numbers(connection: sa.Connection) -> None:
    connection.execute(sa.update(attempts).values(number=7))


def _finished_with_rest(connection: sa.Connection) -> None:
    connection.execute(sa.update(messages).where(_of(5)).values(state="planned", claim_id=None))


def _response_to_nothing(connection: sa.Connection) -> None:
    message_id = connection.execute(sa.select(messages.c.id).where(_of(3))).scalar_one()
    connection.execute(
        sa.insert(answers.responses).values(
            kind="clicked", judged="human", rule_version=1, message_id=message_id, at=1
        )
    )


def _artifact_changed(connection: sa.Connection) -> None:
    connection.execute(sa.update(sending.artifacts).values(bytes=b"campaign: Summer"))


def _audit_changed(connection: sa.Connection) -> None:
    connection.execute(sa.update(keeping.audit).where(keeping.audit.c.id == 1).values(actor="bob"))


@pytest.mark.parametrize(
    ("breaks", "check"),
    [
        (_drop_message, "treated"),
        (_drop_enrolment, "plan"),
        (_message_for_holdout, "holdout"),
        (_two_open, "one message"),
        (_other_customer, "enrolment"),
        (_nobody_holds, "claims"),
        (_accepted_unstarted, "handed over"),
        (_accepted_without_time, "accepted"),
        (_started_too_early, "order"),
        (_refused_without_reason, "refused"),
        (_no_attempt, "attempts"),
        (_numbers, "attempt numbers"),
        (_finished_with_rest, "finished"),
        (_response_to_nothing, "never sent"),
        (_artifact_changed, "artifacts"),
        (_audit_changed, "audit"),
    ],
)
def test_each_check_finds_its_break(sent: Store, breaks: Callable[[sa.Connection], None], check: str) -> None:
    with sent.durable("break") as connection:
        breaks(connection)
    verdict = verify(sent)
    found = {one.check: one for one in verdict.broken}
    assert check in found
    assert found[check].count >= 1
    assert verdict.as_json()["holds"] is False


@pytest.mark.parametrize(
    ("table", "values", "check"),
    [
        (
            answers.hits,
            {"spool_key": "k", "kind": "open", "method": "GET", "at": 1, "received_at": 1},
            "hits",
        ),
        (answers.responses, {"kind": "opened", "judged": "human", "rule_version": 1, "at": 1}, "responses"),
        (
            sending.receipts,
            {"provider": "p", "event_id": "e", "kind": "delivered", "at": 1, "received_at": 1},
            "receipts",
        ),
    ],
)
def test_rows_of_messages_that_are_not_there_are_found(
    store: Store, table: sa.Table, values: dict[str, object], check: str
) -> None:
    # Only a store that was edited by hand can hold such rows: references are switched off to make one.
    if store.dialect == "postgresql":
        with store.durable("break") as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.execute(sa.insert(table).values(**values, message_id=777))
    else:
        import sqlite3

        path = store.url.removeprefix("sqlite:///")
        with sqlite3.connect(path) as raw:
            names = ", ".join([*values, "message_id"])
            marks = ", ".join("?" * (len(values) + 1))
            raw.execute(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", (*values.values(), 777))
        raw.close()
    assert [one.check for one in verify(store).broken] == [check]


def test_a_run_whose_sums_disagree_is_told_by_name(sent: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from tidings.delivery import verify as module

    # The tables allow no unknown state; a state that the sums forget is what this check is for.
    monkeypatch.setitem(module._SUMS, "accepted", ("delivered",))
    verdict = verify(sent)
    assert [one.sentence for one in verdict.broken] == [
        f"the messages of run {_run_id(sent)} (spring) do not add up"
    ]
