"""Every message of a workspace, compiled for every variant and locale to find what is wrong before anybody plans."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tidings.definitions.kinds.campaign import Audience, Campaign
from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.workspace import Definitions
from tidings.errors import DefinitionErrors, Position, Problem, UsageError
from tidings.templates.offered import unshown_code
from tidings.templates.remembered import checked


def check_messages(definitions: Definitions) -> list[Problem]:
    """Return the problems and warnings of the messages of all campaigns, and of the texts of all flows beside them.

    Each is there once, sorted by place. What was found before for the very same files is remembered; the modules that
    render are then not even loaded.
    """
    found: dict[tuple[str, Position, str], Problem] = {}
    texts = {one.id: (flow, step) for flow, step, one in flow_texts(definitions)}

    def look(campaign: Campaign) -> list[Problem]:
        if campaign.id not in texts:
            return check_campaign(definitions, campaign)
        from tidings.templates.flow_texts import check_flow_texts

        return check_flow_texts(definitions, *texts[campaign.id])

    subjects = [*definitions.campaigns.values(), *(one for _, _, one in flow_texts(definitions))]
    for problems in checked(definitions, subjects, look).values():
        for problem in problems:
            found.setdefault((problem.code, problem.at, problem.message), problem)
    return sorted(found.values(), key=lambda problem: (problem.at, problem.code))


def flow_texts(definitions: Definitions) -> list[tuple[Flow, Step, Campaign]]:
    """Return the steps of flows with texts that are no message: cards of tasks, and offers of steps that send nothing.

    Each with a campaign that stands for the files it is made of.
    """
    return [
        (flow, step, Campaign(f"{flow.id}.{step.name}", flow.title, flow.path, Audience(), step.card, ()))
        for flow in definitions.flows.values()
        for step in flow.steps
        if step.card or (step.offer is not None and step.verb != "send")
    ]


def check_campaign(definitions: Definitions, campaign: Campaign) -> list[Problem]:
    """Return the problems and warnings of one campaign's e-mails, text messages and faxes."""
    from tidings.templates.fax.checking import check_faxes
    from tidings.templates.say_places import located
    from tidings.templates.sms.checking import check_texts

    found = [
        *_of_emails(definitions, campaign),
        *check_texts(definitions, campaign),
        *check_faxes(definitions, campaign),
    ]
    return located(definitions, campaign, found) if found else found


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
                problems += unshown_code(definitions, campaign, "e-mail", locale, email.variables)
            except DefinitionErrors as errors:
                problems += errors.problems
    return problems
