"""Texts of flows that are no message to a customer: the card of a task, and an offer that a step makes without writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tidings.campaigns.steps import given_to
from tidings.definitions.kinds.campaign import Audience, Campaign
from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.kinds.given import Given, nameable
from tidings.definitions.workspace import Definitions
from tidings.errors import DefinitionErrors, Position, Problem
from tidings.templates.compiler import Compiler
from tidings.templates.say_places import located
from tidings.templates.sms.compile import compile_sms
from tidings.templates.sms.message import CompiledSms
from tidings.templates.sources import locales, read_sources

_CARD, _TEXT = "card", "sms"


def compile_card(
    definitions: Definitions,
    folder: str,
    sources: Mapping[str, bytes],
    locale: str,
    given: Given | None = None,
) -> CompiledSms | None:
    """Return what a step says to the person who gets a task: plain text that may hold values of the customer.

    `sources` are files of templates/`folder` by name; None when there is no card among them. `given` is what the event that
    starts the flow gives. Raises TemplateErrors with all
    problems.
    """
    own = {
        name.replace(_CARD, _TEXT, 1): content
        # A person reads it in a mail: quotation marks stay as they are written.
        + b"{# typography: as written #}"
        for name, content in sources.items()
        if name.startswith(f"{_CARD}.")
    }
    if not own:
        return None
    workspace = definitions.workspace
    return compile_sms(
        own,
        folder=f"templates/{folder}",
        locale=locale,
        fallback_locale=workspace.locale,
        texts={},
        attributes=nameable(definitions.attributes, given),
        sender_name=workspace.title,
        message_class="service",
        zone=workspace.zone,
        tracked=False,
    )


def check_flow_texts(definitions: Definitions, flow: Flow, step: Step) -> list[Problem]:
    """Return the problems of the card of a step in each of its languages, and of the words of its offer."""
    problems: list[Problem] = []
    given = given_to(flow, step, definitions)
    if step.card:
        sources = read_sources(Path(definitions.root), step.card)
        for locale in dict.fromkeys((*locales(sources, _CARD), definitions.workspace.locale)):
            try:
                compile_card(definitions, step.card, sources, locale, given)
            except DefinitionErrors as errors:
                # A card may be as long as it likes: what is only a warning is about what texts cost.
                problems += [_as_card(one, step.card) for one in errors.problems if one.severity == "error"]
    if step.offer is not None:
        said = {"offer": step.offer.gives, "code": step.offer.code}
        words = {name: text for name, text in said.items() if text}
        compiler = Compiler(flow.path, nameable(definitions.attributes, given), definitions.workspace.locale)
        try:
            compiler.say(words, definitions.workspace.locale, definitions.workspace.locale, "")
            compiler.part("text", "")
        except DefinitionErrors as errors:
            step_seen = Campaign(f"{flow.id}.{step.name}", flow.title, flow.path, Audience(), "", ())
            problems += located(definitions, step_seen, errors.problems)
    return problems


def _as_card(problem: Problem, folder: str) -> Problem:
    """Return a problem with the name that the file has: it was compiled as a text message."""
    head = f"templates/{folder}/{_TEXT}."
    at = problem.at
    if not at.path.startswith(head):
        return problem
    path = f"templates/{folder}/{_CARD}.{at.path.removeprefix(head)}"
    return replace(
        problem,
        at=Position(path, at.line, at.column, at.length),
        message=problem.message.replace(f"{_TEXT}.", f"{_CARD}."),
    )
