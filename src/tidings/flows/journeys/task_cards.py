"""The card of a task: what the person has to know of the customer, as text, in the person's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.steps import given_to
from tidings.clock import from_micros
from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.kinds.given import split_names
from tidings.definitions.kinds.rules import Attribute
from tidings.definitions.money import exponent
from tidings.definitions.workspace import Definitions
from tidings.delivery import variables
from tidings.delivery.given_values import of_journeys
from tidings.errors import TidingsError
from tidings.store.tables import people
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.flow_texts import compile_card
from tidings.templates.sources import nearest_locale
from tidings.templates.values import RenderError

_EVENTS = 5
_CONTACT = ("email", "phone", "fax")
_WORDS = {
    "en": ("Customer", "E-mail", "Phone", "Fax", "Last events", "Flow", "Why", "Due", "Answer", "yes", "no"),
    "ru": ("Клиент", "E-mail", "Телефон", "Факс", "Последние события", "Цепочка", "Зачем", "Срок", "Ответить", "да", "нет"),
    "zh-cn": ("客户", "电子邮件", "电话", "传真", "最近事件", "流程", "原因", "期限", "回复", "是", "否"),
    "zh-tw": ("顧客", "電子郵件", "電話", "傳真", "最近事件", "流程", "原因", "期限", "回覆", "是", "否"),
}  # fmt: skip


class CardMaker:
    """Writes the cards of one step of a flow for people of one language.

    `sources` are the files of the version that was approved, by path.
    """

    def __init__(
        self, definitions: Definitions, flow: Flow, step: Step, sources: Mapping[str, bytes], locale: str
    ) -> None:
        self._definitions = definitions
        self._flow = flow
        self._step = step
        self._locale = locale or definitions.workspace.locale
        self._zone = ZoneInfo(definitions.workspace.zone)
        near = nearest_locale(self._locale, list(_WORDS), "en")
        self._words = _WORDS[near or "en"]
        self._given = given_to(flow, step, definitions)
        self._text = self._compiled(sources)

    def make(self, connection: sa.Connection, tasks: Sequence[Any]) -> dict[int, str]:
        """Return the card of each task (rows of the table) by its id: a few statements, however many there are."""
        customers = sorted({task.customer_id for task in tasks})
        attributes = self._definitions.attributes
        shown = [one for one in attributes.attributes if one.personal != "hash"]
        names = {"key", *_CONTACT, *(one.name for one in shown)}
        values = variables.load(connection, attributes, customers, names)
        events = _last_events(connection, customers)
        of_event = [] if self._text is None else split_names(self._text.variables, self._given)[1]
        given: dict[int, dict[str, Any]] = {}
        if self._given is not None and of_event:
            given = of_journeys(connection, self._given, of_event, [task.enrolment_id for task in tasks])
        return {
            task.id: self._card(
                task,
                {**given.get(task.enrolment_id, {}), **values[task.customer_id]},
                shown,
                events.get(task.customer_id, []),
            )
            for task in tasks
        }

    def _card(
        self, task: Any, values: Mapping[str, Any], shown: Sequence[Attribute], events: Sequence[Any]
    ) -> str:
        customer, *contact, last, flow, why, due, answer, yes, no = self._words
        lines = [*self._said(values), ""]
        name = values.get("full_name")
        lines.append(f"{customer}: {name} ({values['key']})" if name else f"{customer}: {values['key']}")
        lines += [
            f"{word}: {values[one]}" for word, one in zip(contact, _CONTACT, strict=True) if values[one]
        ]
        for one in shown:
            text = self._text_of(one, values.get(one.name), yes, no)
            if text and one.name != "full_name":
                lines.append(f"{one.title or one.name}: {text}")
        if events:
            lines += ["", f"{last}:"]
            lines += [f"  {self._event(event)}" for event in events]
        lines += ["", f"{flow}: {self._flow.title} ({self._flow.id}.{self._step.name})"]
        if self._flow.why:
            lines.append(f"{why}: {self._flow.why}")
        if task.due_at is not None:
            lines.append(f"{due}: {from_micros(task.due_at).astimezone(self._zone):%Y-%m-%d %H:%M}")
        lines.append(f"{answer}: tidings tasks accept {task.id} | return {task.id} | done {task.id}")
        return "\n".join(lines).strip() + "\n"

    def _compiled(self, sources: Mapping[str, bytes]) -> Any:
        """Return what the step says to the person: plain text in which values of the customer may stand; None without."""
        folder = f"templates/{self._step.card}/"
        own = {
            path.removeprefix(folder): content
            for path, content in sources.items()
            if self._step.card and path.startswith(folder)
        }
        try:
            return compile_card(self._definitions, self._step.card, own, self._locale, self._given)
        except TidingsError:
            # The facts are worth more than the words around them: nobody waits for a task because of a slip in a text.
            return None

    def _said(self, values: Mapping[str, Any]) -> list[str]:
        if self._text is None:
            return []
        urls = MessageUrls(click=lambda _, __, url: url, pixel=lambda _: "", unsubscribe=lambda _: "")
        own = {name: values.get(name) for name in self._text.variables}
        try:
            filled = self._text.fill(Recipient(0, values["key"], "", self._locale, own), urls)
        except RenderError:
            return []
        return [str(filled.text).strip()]

    def _text_of(self, attribute: Attribute, value: Any, yes: str, no: str) -> str:
        if value is None or value == []:
            return ""
        if attribute.type == "money":
            currency = attribute.currency or self._definitions.workspace.currency
            return f"{int(value) / 10 ** exponent(currency):,.{exponent(currency)}f} {currency}"
        if attribute.type == "flag":
            return yes if value else no
        if attribute.type == "instant":
            return f"{from_micros(value).astimezone(self._zone):%Y-%m-%d %H:%M}"
        if attribute.type == "list":
            return ", ".join(value)
        return value.isoformat() if isinstance(value, date) else str(value)

    def _event(self, event: Any) -> str:
        day = f"{from_micros(event.occurred_at).astimezone(self._zone):%Y-%m-%d}"
        declared = self._definitions.events.get(event.name)
        words = f"{day}  {declared.title if declared and declared.title else event.name}"
        if event.amount is None or not event.currency:
            return words
        places = exponent(event.currency)
        return f"{words}  {event.amount / 10**places:,.{places}f} {event.currency}"


def _last_events(connection: sa.Connection, customers: Sequence[int]) -> dict[int, list[Any]]:
    events, names = people.events, people.event_names
    place = sa.func.row_number().over(
        partition_by=events.c.customer_id, order_by=(events.c.occurred_at.desc(), events.c.id.desc())
    )
    ranked = (
        sa.select(
            events.c.customer_id,
            names.c.name,
            events.c.occurred_at,
            events.c.amount,
            events.c.currency,
            place.label("place"),
        )
        .select_from(events.join(names, names.c.id == events.c.name_id))
        .where(events.c.customer_id.in_(customers))
        .subquery()
    )
    found: dict[int, list[Any]] = {}
    rows = connection.execute(
        sa.select(ranked).where(ranked.c.place <= _EVENTS).order_by(ranked.c.customer_id, ranked.c.place)
    )
    for row in rows:
        found.setdefault(row.customer_id, []).append(row)
    return found
