"""Every message of a workspace, compiled for every variant and locale to find what is wrong before anybody plans."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.workspace import Definitions
from tidings.errors import DefinitionErrors, Position, Problem, UsageError
from tidings.templates.remembered import checked


def check_messages(definitions: Definitions) -> list[Problem]:
    """Return the problems and warnings of the messages of all campaigns, each once, sorted by place.

    What was found before for the very same files is remembered; the modules that render are then not even loaded.
    """
    found: dict[tuple[str, Position, str], Problem] = {}
    for problems in checked(definitions, lambda campaign: check_campaign(definitions, campaign)).values():
        for problem in problems:
            found.setdefault((problem.code, problem.at, problem.message), problem)
    return sorted(found.values(), key=lambda problem: (problem.at, problem.code))


def check_campaign(definitions: Definitions, campaign: Campaign) -> list[Problem]:
    """Return the problems and warnings of one campaign's e-mails, text messages and faxes."""
    from tidings.templates.fax.checking import check_faxes
    from tidings.templates.sms.checking import check_texts

    return [
        *_of_emails(definitions, campaign),
        *check_texts(definitions, campaign),
        *check_faxes(definitions, campaign),
    ]


def _of_emails(definitions: Definitions, campaign: Campaign) -> list[Problem]:
    from tidings.clock import FixedClock
    from tidings.templates.campaign import campaign_email, email_channel
    from tidings.templates.sources import locales, read_sources

    try:
        channel = email_channel(definitions, campaign)
    except UsageError:
        # It goes out by other channels alone: there is no e-mail to look at.
        return []
    # Nothing is sent: any instant will do for the Date header of a rehearsal.
    clock = FixedClock(datetime(2027, 1, 1, tzinfo=UTC))
    sources = read_sources(Path(definitions.root), campaign.send)
    problems: list[Problem] = []
    variants: list[str | None] = [one.name for one in campaign.variants]
    # The workspace's own locale is always wanted: by customers whose language is not among the files, or not known.
    for locale in dict.fromkeys((*locales(sources), definitions.workspace.locale)):
        for variant in variants or [None]:
            try:
                email = campaign_email(
                    definitions,
                    campaign.id,
                    sources=sources,
                    locale=locale,
                    salt="check",
                    clock=clock,
                    variant=variant,
                    channel=channel,
                )
                problems += email.warnings
            except DefinitionErrors as errors:
                problems += errors.problems
    return problems
