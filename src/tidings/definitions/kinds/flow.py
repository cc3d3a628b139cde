"""A flow: a journey of several steps that something starts for each customer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import time

from tidings.definitions.conditions import Condition
from tidings.definitions.kinds.campaign import Goal, Holdout, Texts
from tidings.definitions.kinds.offer import Offer
from tidings.definitions.kinds.timing import Again, SendBetween
from tidings.definitions.values import Duration, Scalar, Share, Test
from tidings.errors import Position


@dataclass(frozen=True, slots=True)
class DayOffset:
    """A day so many days before (negative) or after a date: an attribute of the customer or a property of the start event.

    `at` is the hour on the flow's clock.
    """

    days: int
    date: str
    at: time = time(9)


@dataclass(frozen=True, slots=True)
class Start:
    """What starts a flow for a customer. `kind`: event, enters, leaves or date.

    event: the customer did `event`, its properties passing `with_`. enters, leaves: membership of `segment` begins or
    ends. date: `day` comes (`day.date` is an attribute, or a date property of the one event named in `event`).
    `catch_up` says whom it starts for that were there before (or whose day, or event, was missed): `nobody`,
    `everybody`, or those at most so late. Of an event it is a length of time, a day where the file says none.
    """

    kind: str
    event: str = ""
    with_: tuple[tuple[str, Test], ...] = ()
    segment: str = ""
    day: DayOffset | None = None
    catch_up: str | Duration = "nobody"
    at: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Waits until the customer did `event` since the wait began, at most `up_to`; then those who did not go to `if_not`.

    `of` names a step: only responses to its message count. `by` a channel or kind: only responses by it.
    An empty `if_not` is the next step.
    """

    event: str
    up_to: Duration
    with_: tuple[tuple[str, Test], ...] = ()
    of: str = ""
    by: str = ""
    if_not: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One named step. `verb`: send, set, notify, offer, add_to, remove_from, wait, wait_for, split or end.

    When it is due: `after` the previous step reached (with `quiet`: after the last start event), or `wait_until`; at once
    without either. `when` is asked once, then; somebody for whom it does not hold passes over the step.
    `instead_of` names the step whose passing over leads here. `then` is where it goes on: "" the next, `end`, or a later step.
    A pure wait (`after` or `wait_until` and nothing to do) has the verb `wait`. `if_refused` is `hold` (the message waits for
    its hour as long as it has not expired) or `skip` (refused at once).
    """

    name: str
    verb: str
    after: Duration | None = None
    quiet: bool = False
    wait_until: DayOffset | None = None
    when: tuple[Condition, ...] = ()
    instead_of: str = ""
    then: str = ""
    # send
    send: str = ""
    via: tuple[str, ...] = ()
    # Empty: those of the flow.
    purpose: str = ""
    topic: str = ""
    say: Texts = ()
    patience: Duration | None = None
    expires: Duration | None = None
    if_refused: str = "hold"
    send_between: SendBetween | None = None
    weekdays: tuple[int, ...] = ()
    # Another party of the customer: the attribute that holds the key of the customer who is written to instead.
    to: str = ""
    # `party`: one message for each party, with the customers it is about as a table.
    group: str = ""
    offer: Offer | None = None
    # set
    values: tuple[tuple[str, Scalar | None], ...] = ()
    # notify: a person of config/staff.yaml; `due` in workdays or exact. `card` is a folder in templates/ with a file
    # card.LOCALE.txt: what the person reads beside the facts about the customer.
    notify: str = ""
    card: str = ""
    due: Duration | None = None
    due_workdays: int | None = None
    # add_to, remove_from
    segment: str = ""
    wait_for: WaitFor | None = None
    split: tuple[tuple[str, Share], ...] = ()
    at: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Flow:
    """One file of flows/. `again`: how often the same customer may walk it; never twice at once, save `for each`.

    `leave_when` is asked before every step; events count there from the entry on. `moved` says of each step that was
    taken out where the people waiting at it go (a step, or `end`).
    """

    id: str
    title: str
    path: str
    starts: Start
    steps: tuple[Step, ...]
    purpose: str = "marketing"
    topic: str = ""
    again: Again = Again("never")
    holdout: Holdout = Holdout()
    leave_when: tuple[Condition, ...] = ()
    goal: Goal | None = None
    also: tuple[Goal, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    priority: str = "normal"
    clock: str = "workspace"
    owner: str = ""
    why: str = ""
    serves: str = ""
    acts_later: tuple[str, ...] = ()

    def step(self, name: str) -> Step | None:
        """Return the step of that name, or None."""
        return next((one for one in self.steps if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on the staff, in config/staff.yaml: `email` gets tasks; `workdays` (0 is Monday) are those of a due date.

    With `attribute`, the person is the one whose name the customer's attribute holds, this one when it holds none.
    """

    name: str
    email: str
    title: str = ""
    locale: str = ""
    attribute: str = ""
    workdays: tuple[int, ...] = (0, 1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Staff:
    """config/staff.yaml: who does the tasks that flows set."""

    people: tuple[Person, ...] = ()

    def get(self, name: str) -> Person | None:
        """Return the person of that name, or None."""
        return next((one for one in self.people if one.name == name), None)
