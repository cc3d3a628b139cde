"""A month of a small shop on a clock that jumps from tick to tick, woken by either clock, and the ledger that comes of it.

A daily campaign in the hour that the clocks leap over, a weekly one on the recipient's clock, and a flow with delays of days
run through the last Sunday of March. Embedded: the plain round, then the runs as the worker sends them. Prefect: the wrapped
tasks as plain Python (`.fn`), each opening the store by itself as a worker's process does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from support.workspaces import small_workspace
from tidings.campaigns.planning import make_plan
from tidings.campaigns.standing import approve, bounds_of
from tidings.clock import FixedClock, to_micros
from tidings.customers.identity import address_hash, customer_u
from tidings.delivery.verify import verify
from tidings.flows.journeys.versions import start_flow
from tidings.flows.opening import Opened, opened, simulated
from tidings.flows.round import do_round
from tidings.flows.shares import deliver_share, open_runs
from tidings.flows.ticking import send_in_turns
from tidings.flows.work_runs import owner_name
from tidings.store.database import Store
from tidings.store.tables import journeys, people, sending
from tidings.store.upgrading import Target, migrate

SALT = "a-salt-for-tests"
START = datetime(2027, 3, 8, 9, 0, tzinfo=UTC)
ZONES = (None, "Europe/Stockholm", "America/New_York", "Asia/Taipei", "Europe/London")
FILES: dict[str, str | bytes | None] = {
    "campaigns/spring.yaml": None,
    "templates/spring/garden/email.en.txt": None,
    "channels/text.yaml": None,
    "campaigns/night.yaml": """
campaign: In the hour that is leapt over
to: everybody
send: welcome
via: email
every: day at 02:30
from: 2027-03-09
holdout: none
again: after 3 days
""",
    "campaigns/weekly.yaml": """
campaign: Once a week
to: everybody
send: welcome
via: email
every: week on Sun at 10:00
from: 2027-03-09
clock: recipient
holdout: 10%
again: always
""",
    "flows/care.yaml": """
flow: Care
purpose: marketing
starts:
  did: order_placed
again: after 5 days
holdout: 10%
leave_when:
  - did: refund_requested
steps:
  thanks:
    send: welcome
    via: email
  tips:
    after: 3 days
    send: welcome
    via: email
  more:
    wait_for: {did: order_placed}
    up_to: 4 days
    if_not: last
  reward:
    set: {vip: true}
    then: end
  last:
    after: 1 day
    send: welcome
    via: email
goal:
  did: order_placed
  within: 14 days
""",
}


class Jumping(FixedClock):
    """Is set to an instant from outside."""

    def set(self, instant: datetime) -> None:
        self.advance(instant - self.now())


@dataclass(frozen=True)
class Month:
    """What came of it: messages, journeys and occurrences in an order of their own, ticks made, rounds that did something."""

    messages: list[tuple[Any, ...]]
    journeys: list[tuple[Any, ...]]
    occurrences: list[tuple[Any, ...]]
    letters: int
    ticks: int

    @property
    def ledger(self) -> tuple[Any, ...]:
        """Return what must be the same whoever woke the work."""
        return self.messages, self.journeys, self.occurrences, self.letters


def run_month(
    folder: Path,
    url: str,
    how: str,
    *,
    start: datetime = START,
    days: int,
    step: timedelta = timedelta(hours=1),
    customers: int = 40,
) -> Month:
    """Let a shop run for so many days under one of the clocks (`embedded` or `prefect`), a tick each `step`."""
    root = small_workspace(folder, FILES)
    workspace = root / "config" / "workspace.yaml"
    workspace.write_text(
        workspace.read_text()
        + f"clock: {how}\nenvironments:\n  production: {{store_from: TIDINGS_STORE, outbox: true}}\n"
    )
    clock = Jumping(start)
    with _variables(url), simulated(clock):
        _prepare(root, url, clock)
        with opened("production", str(root)) as here:
            events = _fill(here, days, customers)
            _go_live(here)
        ticks = 0
        tick = _prefect if how == "prefect" else _embedded
        with opened("production", str(root)) as here:
            now = start
            while now < start + timedelta(days=days):
                now += step
                clock.set(now)
                events = _arrive(here.store, events, now)
                tick(here, root)
                ticks += 1
            return _month(here, root, ticks)


def _embedded(here: Opened, root: Path) -> None:
    do_round(here.settings, here.store, clock=here.clock, owner=owner_name())
    send_in_turns(lambda: open_runs(here), lambda run_id: deliver_share(here, run_id))


def _prefect(here: Opened, root: Path) -> None:
    from tidings.flows import prefect_wrapping

    told = prefect_wrapping.do_round.fn("production", str(root))
    assert not told["held"], told
    assert not told["troubles"], told
    send_in_turns(
        lambda: open_runs(here),
        lambda run_id: prefect_wrapping.deliver_batch.fn(run_id, 2_000, "production", str(root)),
    )


def _variables(url: str) -> Any:
    from unittest import mock

    return mock.patch.dict("os.environ", {"TIDINGS_STORE": url, "TIDINGS_KEYS": "k1:" + "7e" * 32})


def _prepare(root: Path, url: str, clock: FixedClock) -> None:
    from tidings.config.settings import load_settings

    settings = load_settings(root, "production")
    workspace = settings.definitions.workspace
    migrate(Target(url, clock, workspace.id, "production", workspace.salt, settings.definitions.attributes))


def _fill(here: Opened, days: int, customers: int) -> list[dict[str, Any]]:
    """Insert customers with consent, and return what they will do, in order of time."""
    at = to_micros(here.clock.now())
    chance = random.Random(4)
    names = ("order_placed", "refund_requested")
    with here.store.durable("test") as connection:
        connection.execute(
            people.event_names.insert(), [{"id": n, "name": name} for n, name in enumerate(names, 1)]
        )
        connection.execute(
            people.customers.insert(),
            [
                {
                    "id": n, "key": f"c{n}", "u": customer_u(SALT, f"c{n}"), "email": f"c{n}@shop.example",
                    "email_hash": address_hash(SALT, "email", f"c{n}@shop.example"), "locale": "en",
                    "zone": ZONES[n % len(ZONES)], "created_at": at,
                }
                for n in range(1, customers + 1)
            ],
        )  # fmt: skip
        connection.execute(
            people.consents.insert(),
            [
                {
                    "customer_id": n, "channel": "email", "purpose": "marketing", "state": "granted",
                    "basis": "test", "source": "test", "at": at, "received_at": at,
                }
                for n in range(1, customers + 1)
            ],
        )  # fmt: skip
    events = []
    for n in range(customers * days // 6):
        occurred = at + chance.randrange(days * 86_400) * 1_000_000
        name = 2 if chance.random() < 0.1 else 1
        events.append(
            {
                "name_id": name, "customer_id": chance.randrange(customers) + 1, "occurred_at": occurred,
                "received_at": occurred, "source": "shop", "dedupe_key": str(n),
            }
        )  # fmt: skip
    return sorted(events, key=lambda one: one["occurred_at"])


def _arrive(store: Store, events: list[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Insert the events that have happened by now; return those to come."""
    moment = to_micros(now)
    here = [one for one in events if one["occurred_at"] <= moment]
    if here:
        with store.durable("test") as connection:
            connection.execute(people.events.insert(), here)
    return events[len(here) :]


def _go_live(here: Opened) -> None:
    """Approve the campaigns that come again, and let the flow go live."""
    definitions, now = here.settings.definitions, here.clock.now()
    for name in ("night", "weekly"):
        plan = make_plan(here.store, definitions, name, now=now)
        approve(here.store, plan, bounds=bounds_of(plan, 10_000), approved_by="test", now=now)
    start_flow(here.store, definitions, "care", approved_by="test", now=now)


def _month(here: Opened, root: Path, ticks: int) -> Month:
    verdict = verify(here.store)
    assert not verdict.broken, verdict.broken
    runs, messages, enrolments, customers = (
        sending.runs,
        sending.messages,
        sending.enrolments,
        people.customers,
    )
    walks, steps, coming = journeys.journeys, journeys.journey_steps, journeys.occurrences
    with here.store.read() as connection:
        sent = connection.execute(
            sa.select(
                runs.c.campaign, runs.c.occurrence, customers.c.key, enrolments.c.entry, messages.c.step,
                messages.c.leg, messages.c.channel, messages.c.due_at, messages.c.state, messages.c.refusal_code,
                messages.c.accepted_at,
            )
            .select_from(
                messages.join(runs, runs.c.id == messages.c.run_id)
                .join(enrolments, enrolments.c.id == messages.c.enrolment_id)
                .join(customers, customers.c.id == messages.c.customer_id)
            )
        ).all()  # fmt: skip
        walked = connection.execute(
            sa.select(
                customers.c.key, walks.c.start_ref, walks.c.state, walks.c.step, walks.c.due_at, walks.c.outcome,
                enrolments.c.arm, steps.c.step.label("at_step"), steps.c.what, steps.c.at,
            )
            .select_from(
                walks.join(enrolments, enrolments.c.id == walks.c.enrolment_id)
                .join(customers, customers.c.id == walks.c.customer_id)
                .outerjoin(steps, steps.c.enrolment_id == walks.c.enrolment_id)
            )
        ).all()  # fmt: skip
        came = connection.execute(
            sa.select(
                coming.c.campaign, coming.c.occurrence, coming.c.due_at, coming.c.state, coming.c.reason
            )
        ).all()

    def ordered(rows: Any) -> list[tuple[Any, ...]]:
        return sorted((tuple(row) for row in rows), key=repr)

    letters = len(list((root / ".tidings" / "outbox").glob("*.eml")))
    return Month(ordered(sent), ordered(walked), ordered(came), letters, ticks)
