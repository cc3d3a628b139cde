"""What must be in order before anybody is enrolled: a run keeps its words for ever, and its anchor is set once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.cli.session import Session
    from tidings.config.settings import Settings
    from tidings.definitions.kinds.campaign import Campaign


def check_plannable(session: Session, campaign: Campaign) -> None:
    """Raise DefinitionErrors for what is wrong with a campaign's message or channels, StoreError for a clock set back."""
    from tidings.channels.checking import check_channels
    from tidings.errors import DefinitionErrors
    from tidings.templates.checking import check_messages

    session.store.check_clock(session.clock.now())
    definitions = session.settings.definitions
    alone = replace(
        definitions,
        campaigns={campaign.id: campaign},
        flows={},
        channels={name: definitions.channels[name] for name in campaign.via if name in definitions.channels},
    )
    problems = [*check_channels(alone), *check_messages(alone)]
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise DefinitionErrors(errors)


def check_sendable(settings: Settings, campaign: Campaign) -> None:
    """Raise TidingsError when the keys of the links or the secrets of a channel are missing in this environment."""
    from tidings.channels.registry import load_adapter
    from tidings.tokens.keyring import KeyRing

    KeyRing.load(settings.data_dir, environment=settings.environment.name)
    for name in campaign.via:
        channel = settings.definitions.channels.get(name)
        if channel is not None:
            load_adapter(channel, environment=settings.environment, data_dir=settings.data_dir)
