"""The files of config/: workspace, policies, attributes and events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from decimal import Decimal

from tidings.definitions.kinds.recommending import Recommendations
from tidings.definitions.kinds.timing import Rhythm
from tidings.definitions.values import Duration, Share, Unit

_DAYS = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 30, Unit.YEAR: 365}


@dataclass(frozen=True, slots=True)
class Environment:
    """Where one environment keeps its data and how it delivers; `outbox` True writes files instead of sending.

    `store` is a URL, or the name of an environment variable that holds one (`store_from`).
    """

    name: str
    store: str = ""
    store_from: str = ""
    outbox: bool = False


@dataclass(frozen=True, slots=True)
class Papers:
    """The page of the whole company by mail: how often on the workspace clock, and to whom.

    `to` are addresses of our own people; empty stands for all who own a goal, a campaign or a flow.
    """

    every: Rhythm
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Workspace:
    """config/workspace.yaml: who we are, our clock, our salt, our environments."""

    id: str
    title: str
    zone: str
    salt: str
    currency: str
    public_url: str = "http://127.0.0.1:8200"
    country: str | None = None
    locale: str = "en"
    clock: str = "embedded"
    postal_address: str = ""
    dialect: int = 1
    environments: tuple[Environment, ...] = ()
    papers: Papers | None = None
    recommendations: Recommendations = Recommendations()


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many messages in any `per` (of days or longer) that follow each other on the workspace clock."""

    count: int
    per: Duration

    @property
    def days(self) -> int:
        """Return `per` in calendar days: 7 for a week, 30 for a month, 365 for a year."""
        return self.per.amount * _DAYS[self.per.unit]


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The hours in which a kind of channel (email, sms, fax, …) keeps quiet, on the recipient's clock.

    From `first` on, until `last` comes; over midnight where `last` is the earlier of the two.
    """

    kind: str
    first: time
    last: time


@dataclass(frozen=True, slots=True)
class CaseOpen:
    """A customer's case is open from the event `opened_by` until `closed_by`; marketing waits as long."""

    opened_by: str
    closed_by: str


@dataclass(frozen=True, slots=True)
class Purpose:
    """What messages are for: its class, consent, cap and default holdout.

    `message_class`: marketing, service, transactional or survey. `consent`: `required` or `not needed`. `cap` counts the
    messages of all purposes of the class; every one of its limits must leave room. `topics` are what a customer can
    agree to one by one. `quiet` says whether quiet hours are kept; None leaves that to the class. `consent_lasts`: consent
    that is older no longer counts; None is for ever.
    """

    name: str
    message_class: str
    consent: str = "required"
    holdout: Share | None = None
    in_doubt: str = "hold"
    cap: tuple[Cap, ...] = ()
    topics: tuple[str, ...] = ()
    quiet: bool | None = None
    consent_lasts: Duration | None = None

    @property
    def consent_days(self) -> int | None:
        """Return `consent_lasts` in days of 24 hours: 30 for a month, 365 for a year; None for ever."""
        lasts = self.consent_lasts if self.consent == "required" else None
        return None if lasts is None else lasts.amount * _DAYS[lasts.unit]

    @property
    def keeps_quiet(self) -> bool:
        """Tell whether its messages keep the quiet hours: marketing and survey do, unless the purpose says otherwise."""
        return self.message_class in ("marketing", "survey") if self.quiet is None else self.quiet


@dataclass(frozen=True, slots=True)
class Policies:
    """config/policies.yaml. `global_control` is drawn before any campaign and stands outside all of them.

    `quiet` has at most one entry a kind of channel. `account_limit` is how many messages one account gets, whoever of
    its people they are for. `rules` are the packs of rules of countries that the house keeps (`definitions.rule_packs`),
    `blocked_countries` those (ISO 3166) to which nothing but transactional messages go.
    """

    purposes: tuple[Purpose, ...]
    global_control: Share = Share(0)
    drift_share: Share = Share(1000)
    drift_people: int = 50
    expires_after_hours: int = 24
    quiet: tuple[QuietHours, ...] = ()
    account_limit: tuple[Cap, ...] = ()
    case_open: CaseOpen | None = None
    rules: tuple[str, ...] = ()
    blocked_countries: tuple[str, ...] = ()

    def quiet_hours(self, kind: str) -> QuietHours | None:
        """Return the quiet hours of a kind of channel, or None."""
        return next((hours for hours in self.quiet if hours.kind == kind), None)

    def purpose(self, name: str) -> Purpose | None:
        """Return the purpose of that name, or None."""
        return next((purpose for purpose in self.purposes if purpose.name == name), None)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a customer: text, number, money, date, instant, yes/no (`flag`) or a list of texts.

    `lowest` and `highest` bound numbers, `values` closes a text or a list, `was` names it before a rename,
    `personal` says what erasure does: erase, hash or keep.
    """

    name: str
    type: str
    title: str = ""
    currency: str | None = None
    values: tuple[str, ...] = ()
    lowest: Decimal | None = None
    highest: Decimal | None = None
    history: bool = False
    was: str | None = None
    personal: str = "keep"


@dataclass(frozen=True, slots=True)
class Attributes:
    """config/attributes.yaml."""

    attributes: tuple[Attribute, ...] = ()

    def get(self, name: str) -> Attribute | None:
        """Return the attribute of that name, or None."""
        return next((one for one in self.attributes if one.name == name), None)


@dataclass(frozen=True, slots=True)
class EventProperty:
    """A property of an event: text, number, money, date or flag.

    `currency` is that of a money property; None means the workspace's.
    """

    name: str
    type: str
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something customers do. `revenue` names the money property that is its amount (kept in its own column).

    `margin` names the one that is what it earns, `code` the text property that may hold the code of an offer, `discount` the
    money property with what that took off. `before_discount` tells that revenue and margin are told as if nothing had been
    taken off.
    """

    name: str
    title: str = ""
    properties: tuple[EventProperty, ...] = ()
    revenue: str | None = None
    returns: str | None = None
    margin: str | None = None
    code: str | None = None
    discount: str | None = None
    before_discount: bool = False

    def property(self, name: str) -> EventProperty | None:
        """Return the property of that name, or None."""
        return next((one for one in self.properties if one.name == name), None)


# What people of the staff answer to a task that a flow set: events that need no declaration.
TASK_EVENTS = {
    name: Event(name, title, (EventProperty("flow", "text"), EventProperty("step", "text")))
    for name, title in (
        ("task_accepted", "Task accepted"),
        ("task_returned", "Task returned"),
        ("task_done", "Task done"),
    )
}


# A code that a till or a shop redeemed through the API: an event that needs no declaration either.
REDEMPTION = Event(
    "code_redeemed",
    "Code redeemed",
    (
        EventProperty("code", "text"),
        EventProperty("order", "text"),
        EventProperty("discount", "money"),
        EventProperty("sales_channel", "text"),
    ),
    code="code",
    discount="discount",
)


# As which it is asked for by conditions, starts and goals: a redemption that counts, whoever told of it.
REDEEMED = Event(
    "redeemed",
    "Code redeemed",
    (
        EventProperty("code", "text"),
        EventProperty("offer", "text"),
        EventProperty("order", "text"),
        EventProperty("discount", "money"),
    ),
)


@dataclass(frozen=True, slots=True)
class Events:
    """config/events.yaml. The built-in responses and the answers to tasks need no declaration."""

    events: tuple[Event, ...] = ()

    def get(self, name: str) -> Event | None:
        """Return the event of that name, also the answer to a task, or None."""
        return next((one for one in self.events if one.name == name), TASK_EVENTS.get(name))


BUILT_IN_RESPONSES = [
    "sent",
    "delivered",
    "bounced",
    "opened",
    "clicked",
    "replied",
    "answered",
    "registered",
    "attended",
    "redeemed",
    "unsubscribed",
    "spam_reported",
    "converted",
]
# Those that this version records, so that segments and goals can ask for them; the others are names kept for later.
RECORDED_RESPONSES = (
    "sent",
    "delivered",
    "bounced",
    "opened",
    "clicked",
    "replied",
    "redeemed",
    "unsubscribed",
    "spam_reported",
)
# The answer to a task, and a redemption: what is told with them is known without a declaration.
KNOWN_EVENTS = {**TASK_EVENTS, REDEEMED.name: REDEEMED}

FIXED_COLUMNS = ("key", "email", "phone", "fax", "locale", "zone", "country", "account")
