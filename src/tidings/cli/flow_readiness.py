"""What must be in order before a flow goes live: the messages and channels of every step that sends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.cli.session import Session
    from tidings.config.settings import Settings
    from tidings.definitions.kinds.flow import Flow


def check_flow(session: Session, flow: Flow) -> None:
    """Raise DefinitionErrors for what is wrong with a message or channel of a flow, StoreError for a clock set back."""
    from tidings.campaigns.steps import as_campaign, send_steps
    from tidings.channels.checking import check_channels
    from tidings.errors import DefinitionErrors
    from tidings.templates.checking import check_messages

    session.store.check_clock(session.clock.now())
    definitions = session.settings.definitions
    steps = {f"{flow.id}.{one.name}": as_campaign(flow, one, definitions) for one in send_steps(flow)}
    names = {name for one in steps.values() for name in one.via if name in definitions.channels}
    alone = replace(
        definitions,
        campaigns={name: replace(one, id=name) for name, one in steps.items()},
        flows={flow.id: flow},
        channels={name: definitions.channels[name] for name in sorted(names)},
    )
    problems = [*check_channels(alone), *check_messages(alone)]
    errors = {problem for problem in problems if problem.severity == "error"}
    if errors:
        raise DefinitionErrors(errors)


def check_flow_sendable(settings: Settings, flow: Flow) -> None:
    """Raise TidingsError when the keys of the links or the secrets of a channel are missing in this environment."""
    from tidings.campaigns.steps import as_campaign, send_steps
    from tidings.cli.readiness import check_sendable

    steps = send_steps(flow)
    via = [name for one in steps for name in as_campaign(flow, one, settings.definitions).via]
    if steps:
        first = as_campaign(flow, steps[0], settings.definitions)
        check_sendable(settings, replace(first, via=tuple(dict.fromkeys(via))))
