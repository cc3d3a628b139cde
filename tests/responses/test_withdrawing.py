"""An unsubscription is recorded unless just that is withdrawn already: afterwards the gate always refuses."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from support.tracking import rows_of, sent_run
from tidings.clock import to_micros
from tidings.customers.consent import ConsentRow, record
from tidings.customers.permission import refusal
from tidings.definitions.kinds.rules import Purpose
from tidings.delivery.withdrawing import withdraw
from tidings.store.tables import people

MARKETING = Purpose("marketing", "marketing")


@pytest.mark.parametrize(
    ("said", "purpose", "appended", "code"),
    [
        ([("marketing", "withdrawn"), ("all", "granted")], "marketing", 1, "unsubscribed_list"),
        ([("all", "withdrawn"), ("marketing", "granted")], None, 1, "unsubscribed_all"),
        ([("all", "withdrawn"), ("newsletter", "granted")], None, 1, "unsubscribed_all"),
        ([("marketing", "withdrawn"), ("all", "pending")], "marketing", 1, "unsubscribed_list"),
        # One for `all` does not hold back what must be sent, so a purpose is withdrawn beside it.
        ([("all", "withdrawn")], "marketing", 1, "unsubscribed_list"),
        ([("marketing", "withdrawn")], None, 1, "unsubscribed_all"),
        ([("marketing", "withdrawn")], "marketing", 0, "unsubscribed_list"),
        ([("marketing", "withdrawn"), ("all", "withdrawn")], "marketing", 0, "unsubscribed_all"),
        ([("marketing", "withdrawn"), ("newsletter", "granted")], "marketing", 0, "unsubscribed_list"),
        ([("all", "withdrawn"), ("marketing", "withdrawn")], None, 0, "unsubscribed_list"),
    ],
)
def test_who_unsubscribes_is_refused_whatever_was_said_before(
    store, clock, said, purpose, appended, code
) -> None:
    (message,) = sent_run(store, 1, purpose=purpose)
    (customer,) = rows_of(store, people.customers)
    now = to_micros(clock.now())
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(email_hash="h"))
        record(
            connection,
            [
                ConsentRow(customer.id, "email", about, state, "", "import", now - 100 + n, now)
                for n, (about, state) in enumerate(said)
            ],
        )
        clicks = [(message, now - 10, "one-click"), (message, now - 10, "page")]
        assert withdraw(connection, clicks, now=now) == appended
        gate = sa.select(refusal("email", MARKETING)).select_from(people.customers)
        assert connection.execute(gate).scalar_one() == code
