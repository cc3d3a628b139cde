"""Tasks for people: set by a step, told by mail once, answered by an event, and told to the owner when nobody answers."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Callable
from datetime import date, timedelta
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from support.flow_world import Live, enter, flow_workspace, go_live, populate
from tidings.channels.outbox import OutboxAdapter
from tidings.channels.protocol import Kind, Outcome
from tidings.clock import FixedClock, from_micros, to_micros
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.flow import Person, Step
from tidings.definitions.kinds.timing import Holidays
from tidings.definitions.loader import load
from tidings.definitions.values import Duration, Unit
from tidings.delivery.cancelling import cancel, cancellable
from tidings.delivery.kept import Kept
from tidings.delivery.notices import Carrier
from tidings.errors import UsageError
from tidings.flows.journeys.task_mails import Mailed, tend_tasks
from tidings.flows.journeys.tasks import answer_task, due_at, list_tasks, set_tasks
from tidings.store.database import Store
from tidings.store.tables import journeys, people
from tidings.store.vocabulary import attributes_table

SALT = "tasks"
NOTIFY = """
  call:
    when:
      - account_type: business
    notify: account_manager
    say: care/call
    due: 2 workdays
"""
STAFF = """
staff: Who does what
account_manager:
  email: accounts@shop.example
  attribute: last_name
chen:
  email: chen@shop.example
  locale: zh-TW
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = flow_workspace(tmp_path / "workspace")
    flow = folder / "flows" / "care.yaml"
    flow.write_text(flow.read_text().replace("goal:\n", f"{NOTIFY.lstrip(chr(10))}goal:\n"))
    (folder / "config" / "staff.yaml").write_text(STAFF.lstrip())
    card = folder / "templates" / "care" / "call"
    card.mkdir()
    (card / "card.en.txt").write_text("Ask {{ full_name or 'the customer' }} how the garden is.\n")
    (card / "card.zh-TW.txt").write_text("請問花園好嗎？\n")
    return folder


def come_to_the_call(store: Store, root: Path, live: Live, entered: dict[int, int]) -> int:
    definitions = load(root)
    flow = definitions.flows["care"]
    step = flow.step("call")
    assert step is not None
    came = sa.union_all(
        *(
            sa.select(
                sa.literal(enrolment, sa.BigInteger).label("enrolment_id"),
                sa.literal(customer, sa.BigInteger).label("customer_id"),
            )
            for customer, enrolment in entered.items()
        )
    ).subquery("came")
    with store.durable("test") as connection:
        return set_tasks(
            connection,
            came,
            flow=flow,
            step=step,
            definitions=definitions,
            run_id=live.run_id,
            at=to_micros(store.clock.now()),
        )


@pytest.fixture
def tend(store: Store, clock: FixedClock, tmp_path: Path) -> Callable[..., Mailed]:
    kept = Kept()

    def go(adapter: object = None) -> Mailed:
        carrier = Carrier(adapter or outbox(tmp_path), "Shop <shop@shop.example>")  # type: ignore[arg-type]
        return tend_tasks(store, carrier, clock, salt=SALT, kept=kept)

    return go


def outbox(folder: Path) -> OutboxAdapter:
    channel = Channel("email", "E-mail", "channels/email.yaml", "outbox")
    return OutboxAdapter(channel, {"folder": folder / "mails"})


def mails(folder: Path) -> list[EmailMessage]:
    found = [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in (folder / "mails").rglob("*.eml")
    ]
    return sorted(found, key=lambda one: str(one["To"]))


def business(store: Store, root: Path, count: int = 2) -> tuple[Live, dict[int, int]]:
    populate(store, count)
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(attributes_table(load(root).attributes)),
            [
                {
                    "customer_id": one,
                    "full_name": f"Name {one}",
                    "last_name": "chen" if one == 2 else None,
                    "lifetime_value": 123_450,
                }
                for one in range(1, count + 1)
            ],
        )
    live = go_live(store, root)
    return live, enter(store, live, range(1, count + 1))


def test_a_task_is_for_the_person_whom_the_customer_names_else_for_the_one_of_the_step(
    store: Store, root: Path
) -> None:
    live, entered = business(store, root)
    assert come_to_the_call(store, root, live, entered) == 2
    assert come_to_the_call(store, root, live, entered) == 0
    first, second = sorted(list_tasks(store), key=lambda one: one.customer)
    assert (first.customer, first.person, first.state, first.mail) == (
        "c1",
        "account_manager",
        "open",
        "planned",
    )
    assert second.person == "chen"
    assert [one.customer for one in list_tasks(store, person="chen")] == ["c2"]
    assert first.flow == "care"
    assert first.step == "call"


def test_the_card_says_what_the_person_must_know_in_the_persons_language(
    store: Store, root: Path, tend: Callable[..., Mailed], tmp_path: Path
) -> None:
    live, entered = business(store, root)
    come_to_the_call(store, root, live, entered)
    assert tend() == Mailed(sent=2)
    manager, chen = mails(tmp_path)
    assert (str(manager["To"]), str(manager["Subject"])) == (
        "accounts@shop.example",
        "Care after the purchase #1: c1",
    )
    text = manager.get_content()
    assert "Ask Name 1 how the garden is." in text
    assert "Customer: Name 1 (c1)" in text
    assert "Bought so far: 1,234.50 EUR" in text
    assert "tidings tasks accept 1 | return 1 | done 1" in text
    assert "請問花園好嗎？" in chen.get_content()
    assert "顧客: Name 2 (c2)" in chen.get_content()
    # Never twice, and a card once written stays.
    assert tend() == Mailed()
    assert len(mails(tmp_path)) == 2


class Broken:
    """An e-mail channel whose connection breaks after the hand-over."""

    def __init__(self, folder: Path, outcome: Outcome | None) -> None:
        self._inner = outbox(folder)
        self.capabilities = self._inner.capabilities
        self.name = "broken"
        self.outcome = outcome
        self.handed = 0

    def connect(self) -> Broken:
        return self

    def submit(self, outgoing: object) -> Outcome:
        self.handed += 1
        if self.outcome is None:
            raise ConnectionError("gone")
        return self.outcome

    def close(self) -> None:
        return


@pytest.mark.parametrize(
    ("outcome", "mail"),
    [(None, "in_doubt"), (Outcome(Kind.REJECTED), "failed"), (Outcome(Kind.TRANSIENT), "planned")],
)
def test_what_becomes_of_a_mail_is_kept_and_only_what_was_not_handed_over_goes_again(
    store: Store,
    root: Path,
    tend: Callable[..., Mailed],
    tmp_path: Path,
    outcome: Outcome | None,
    mail: str,
) -> None:
    live, entered = business(store, root, 1)
    come_to_the_call(store, root, live, entered)
    channel = Broken(tmp_path, outcome)
    tend(channel)
    assert [one.mail for one in list_tasks(store)] == [mail]
    tend(channel)
    assert channel.handed == (2 if mail == "planned" else 1)


def test_a_mail_that_a_killed_process_had_begun_is_in_doubt_and_not_repeated(
    store: Store, root: Path, clock: FixedClock, tend: Callable[..., Mailed], tmp_path: Path
) -> None:
    live, entered = business(store, root, 1)
    come_to_the_call(store, root, live, entered)
    with store.durable("test") as connection:
        connection.execute(
            sa.update(journeys.tasks).values(mail="started", mail_at=to_micros(clock.now()), card="x")
        )
    tend()
    assert [one.mail for one in list_tasks(store)] == ["started"]
    clock.advance(timedelta(minutes=11))
    tend()
    assert [one.mail for one in list_tasks(store)] == ["in_doubt"]
    assert not (tmp_path / "mails").exists() or mails(tmp_path) == []


def test_past_due_the_owner_of_the_flow_is_told_once(
    store: Store, root: Path, clock: FixedClock, tend: Callable[..., Mailed], tmp_path: Path
) -> None:
    live, entered = business(store, root, 1)
    come_to_the_call(store, root, live, entered)
    tend()
    clock.advance(timedelta(days=2) - timedelta(seconds=1))
    assert tend() == Mailed()
    clock.advance(timedelta(seconds=1))
    assert tend() == Mailed(sent=1, escalated=1)
    assert tend() == Mailed()
    told = [one for one in mails(tmp_path) if str(one["To"]) == "crm@nordicgarden.example"]
    assert [str(one["Subject"]) for one in told] == [
        "Overdue (account_manager): Care after the purchase #1: c1"
    ]
    assert [one.escalated for one in list_tasks(store)] == [True]


def test_an_answered_task_is_told_to_nobody_else(
    store: Store, root: Path, clock: FixedClock, tend: Callable[..., Mailed]
) -> None:
    live, entered = business(store, root, 1)
    come_to_the_call(store, root, live, entered)
    answer_task(store, 1, "accept", note="mine", actor="ann", now=clock.now())
    clock.advance(timedelta(days=9))
    assert tend() == Mailed()


def test_an_answer_is_an_event_of_the_customer_once(store: Store, root: Path, clock: FixedClock) -> None:
    live, entered = business(store, root, 1)
    come_to_the_call(store, root, live, entered)
    assert answer_task(store, 1, "accept", note="", actor="ann", now=clock.now()) == "accepted"
    clock.advance(timedelta(hours=1))
    assert answer_task(store, 1, "accept", note="", actor="ann", now=clock.now()) == "accepted"
    assert answer_task(store, 1, "done", note="sold", actor="ann", now=clock.now()) == "done"
    with pytest.raises(UsageError, match="done already"):
        answer_task(store, 1, "return", note="", actor="ann", now=clock.now())
    with pytest.raises(UsageError, match="no task 7"):
        answer_task(store, 7, "done", note="", actor="ann", now=clock.now())
    with store.read() as connection:
        rows = connection.execute(
            sa.select(
                people.event_names.c.name,
                people.events.c.customer_id,
                people.events.c.source,
                people.events.c.properties,
            )
            .join(people.event_names, people.event_names.c.id == people.events.c.name_id)
            .order_by(people.events.c.id)
        ).all()
    said = {"flow": "care", "step": "call"}
    assert [tuple(row) for row in rows] == [
        ("task_accepted", 1, "tasks", said),
        ("task_done", 1, "tasks", said),
    ]
    assert [(one.state, one.answer) for one in list_tasks(store, everything=True)] == [("done", "sold")]
    assert list_tasks(store) == []


def test_tasks_of_a_cancelled_flow_are_taken_back(
    store: Store, root: Path, clock: FixedClock, tend: Callable[..., Mailed]
) -> None:
    live, entered = business(store, root)
    come_to_the_call(store, root, live, entered)
    answer_task(store, 1, "accept", note="", actor="ann", now=clock.now())
    found = cancellable(store, "care")
    assert (found.runs, found.walking) == ((live.run_id,), 2)
    cancel(store, found, actor="ann", now=clock.now())
    assert cancellable(store, "care").walking == 0
    assert tend() == Mailed()
    assert sorted(one.state for one in list_tasks(store, everything=True)) == ["accepted", "withdrawn"]


ZONE = ZoneInfo("Europe/Stockholm")


@pytest.mark.parametrize(
    ("set_on", "person", "holidays", "due"),
    [
        # Tuesday; two days later at the same hour.
        ("2027-03-02 10:30", Person("a", "a@x"), Holidays(), "2027-03-04 10:30"),
        # Friday over a weekend.
        ("2027-03-05 10:30", Person("a", "a@x"), Holidays(), "2027-03-09 10:30"),
        # Somebody who works on Saturdays.
        ("2027-03-05 10:30", Person("a", "a@x", workdays=(0, 1, 2, 3, 4, 5)), Holidays(), "2027-03-08 10:30"),
        # A holiday is not counted, a shifted workday is.
        ("2027-03-02 10:30", Person("a", "a@x"), Holidays({date(2027, 3, 3): "off"}), "2027-03-05 10:30"),
        (
            "2027-03-05 10:30",
            Person("a", "a@x"),
            Holidays({date(2027, 3, 8): "off"}, frozenset({date(2027, 3, 6)})),
            "2027-03-09 10:30",
        ),
        # Across the change to summer time the hour on the clock stays.
        ("2027-03-26 10:30", Person("a", "a@x"), Holidays(), "2027-03-30 10:30"),
    ],
)
def test_workdays_are_those_of_the_person_and_of_the_holidays(
    set_on: str, person: Person, holidays: Holidays, due: str
) -> None:
    from datetime import datetime

    at = to_micros(datetime.fromisoformat(set_on).replace(tzinfo=ZONE))
    found = due_at(Step("call", "notify", due_workdays=2), person, at, holidays, ZONE)
    assert found is not None
    assert f"{from_micros(found).astimezone(ZONE):%Y-%m-%d %H:%M}" == due
    assert due_at(Step("call", "notify"), person, at, holidays, ZONE) is None
    exact = due_at(Step("call", "notify", due=Duration(3, Unit.HOUR)), person, at, holidays, ZONE)
    assert exact == at + 3 * 3_600_000_000


def test_a_list_of_tasks_can_be_read_by_programs(store: Store, root: Path) -> None:
    live, entered = business(store, root, 1)
    come_to_the_call(store, root, live, entered)
    (told,) = [one.as_json() for one in list_tasks(store)]
    assert json.loads(json.dumps(told))["due_at"] == "2027-03-04T09:00:00Z"
    assert set(told) == {
        "task",
        "flow",
        "step",
        "customer",
        "person",
        "state",
        "created_at",
        "due_at",
        "answer",
        "mail",
        "escalated",
        "card",
    }
