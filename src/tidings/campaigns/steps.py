"""The steps of a flow that send, each seen as a campaign of its own: whatever sends a campaign sends a step as well."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches

from tidings.customers.identity import ADDRESS_COLUMNS
from tidings.definitions.kinds.campaign import Audience, Campaign, Texts
from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.kinds.given import Given, given_by
from tidings.definitions.readers.addressing import PREFERRED
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError

# What stands before a step in the name by which it is previewed: `welcome.first_letter`.
_OF = "."
# Campaigns have one step.
ONLY_STEP = "main"
# The arm of those whom a step writes to about a customer (`to: dealer`): like copies for the staff they are never counted.
PARTY = "party"


def send_steps(flow: Flow) -> tuple[Step, ...]:
    """Return the steps that write to somebody, in the order of the file."""
    return tuple(step for step in flow.steps if step.verb == "send")


def as_campaign(flow: Flow, step: Step, definitions: Definitions) -> Campaign:
    """Return a step that sends as a campaign: its words, channels, times and rules, with the goal of the flow.

    Its id is the flow's, for that is what its run is called. A step without `via` goes out by every channel for which its
    message has a file, e-mail first. Nobody is left out for sharing an address: the steps of a flow come to each customer
    at a time of their own. A message to another party has a `group`: the customers that it is about.
    """
    return Campaign(
        id=flow.id,
        title=f"{flow.title}: {step.name}",
        path=flow.path,
        to=Audience(),
        send=step.send,
        via=step.via or _every_channel(definitions, step.send),
        purpose=step.purpose or flow.purpose,
        topic=step.topic or flow.topic,
        holdout=flow.holdout,
        goal=flow.goal,
        also=flow.also,
        expires=step.expires,
        why=flow.why,
        owner=flow.owner,
        patience=step.patience,
        one_each="customer",
        group="party" if step.to or step.group else "",
        say=_texts(step),
        given=given_to(flow, step, definitions),
        clock=flow.clock,
        priority=flow.priority,
        send_between=step.send_between,
        weekdays=step.weekdays,
        offer=step.offer,
        serves=flow.serves,
    )


def given_to(flow: Flow, step: Step, definitions: Definitions) -> Given | None:
    """Return what the event that starts a flow gives to the words of a step: its message, or the card of its task.

    A message to another party is about several journeys, so nothing of one of them stands in it.
    """
    if step.to or not flow.starts.event:
        return None
    said = {name for name, _ in _texts(step)}
    event = definitions.events.get(flow.starts.event)
    return given_by(event, definitions.attributes, definitions.workspace.currency, said)


def whole_flow(flow: Flow) -> Campaign:
    """Return a flow as the campaign that a report is about: its goals and its holdout, and no message."""
    return Campaign(
        id=flow.id,
        title=flow.title,
        path=flow.path,
        to=Audience(),
        send="",
        via=(),
        purpose=flow.purpose,
        holdout=flow.holdout,
        goal=flow.goal,
        also=flow.also,
        why=flow.why,
        owner=flow.owner,
        priority=flow.priority,
        serves=flow.serves,
    )


def with_step(definitions: Definitions, flow: Flow, step: Step, name: str = "") -> Definitions:
    """Return the definitions with a step among the campaigns, under the flow's id or another name.

    Messages are compiled from a campaign of the definitions by its name.
    """
    campaign = as_campaign(flow, step, definitions)
    called = name or campaign.id
    return replace(definitions, campaigns={**definitions.campaigns, called: replace(campaign, id=called)})


def with_steps(definitions: Definitions) -> Definitions:
    """Return the definitions with every step that sends among the campaigns, each as `FLOW.STEP`: to check all messages."""
    found = dict(definitions.campaigns)
    for flow in definitions.flows.values():
        for step in send_steps(flow):
            name = f"{flow.id}{_OF}{step.name}"
            found[name] = replace(as_campaign(flow, step, definitions), id=name)
    return replace(definitions, campaigns=found)


def with_named_step(definitions: Definitions, name: str) -> Definitions:
    """Return the definitions with the step that `FLOW.STEP` names among the campaigns, under that name.

    Any other name changes nothing. A flow alone means its first step that sends. Raises UsageError for a step that there
    is not, or that sends nothing.
    """
    flow_id, _, step_name = name.partition(_OF)
    flow = definitions.flows.get(flow_id)
    if flow is None or name in definitions.campaigns:
        return definitions
    senders = send_steps(flow)
    if not step_name and senders:
        return with_step(definitions, flow, senders[0], name)
    step = next((one for one in senders if one.name == step_name), None)
    if step is None:
        names = [one.name for one in senders]
        near = get_close_matches(step_name, names, n=1)
        listed = ", ".join(f"{flow_id}.{one}" for one in names) or "none: the flow sends nothing"
        raise UsageError(
            f'the flow "{flow_id}" has no step "{step_name}" that sends'
            if step_name
            else f'the flow "{flow_id}" sends nothing',
            what_to_do=f'did you mean "{flow_id}.{near[0]}"?' if near else f"steps that send: {listed}",
        )
    return with_step(definitions, flow, step, name)


def _every_channel(definitions: Definitions, send: str) -> tuple[str, ...]:
    order = list(ADDRESS_COLUMNS)
    written = {
        path.rpartition("/")[2].partition(".")[0]
        for path in definitions.templates
        if path.rpartition("/")[0] == f"templates/{send}"
    }
    able = [one for one in definitions.channels.values() if one.kind in order and one.kind in written]
    return tuple(
        one.id for one in sorted(able, key=lambda one: (order.index(one.kind), one.id)) if one.id != PREFERRED
    )


def _texts(step: Step) -> Texts:
    """Return the texts of a step; its offer says two more, `offer` and `code`, where the step does not say them itself."""
    if step.offer is None:
        return step.say
    said = {name for name, _ in step.say}
    more = (("offer", step.offer.gives), ("code", "{{ offer.code }}" if step.offer.pool else step.offer.code))
    return (*step.say, *((name, text) for name, text in more if text and name not in said))
