"""`tidings send-test`: the real message to a few addresses of our own, through the real channel, outside every count."""

from __future__ import annotations

import getpass
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidings.cli.options import environment_option, examples, json_option, yes_option

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter, Outcome, Outgoing
    from tidings.cli.session import Session
    from tidings.definitions.kinds.campaign import Campaign
    from tidings.definitions.kinds.channel import Channel
    from tidings.delivery.asked_ahead import Somewhere
    from tidings.delivery.wordings import Compiled

_MOST = 20


@dataclass(frozen=True, slots=True)
class _Sent:
    """What became of one test message."""

    to: str
    channel: str
    variant: str | None
    locale: str
    outcome: Outcome
    would_refuse: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "to": self.to,
            "channel": self.channel,
            "variant": self.variant,
            "locale": self.locale,
            "outcome": str(self.outcome.kind),
            "detail": self.outcome.detail,
            "provider_ref": self.outcome.provider_ref,
            "would_refuse": list(self.would_refuse),
        }


@click.command(
    name="send-test",
    epilog=examples(
        "tidings send-test spring_winback --to crm@nordicgarden.example",
        "tidings send-test spring_winback --to +46701112233 --locale zh-TW",
        "tidings send-test spring_winback --to +4681112233 --by fax",
    ),
)
@click.argument("name")
@click.option(
    "--to",
    "addresses",
    multiple=True,
    required=True,
    metavar="ADDRESS",
    help="Where to; may be given several times.",
)
@click.option(
    "--by",
    "channel",
    metavar="CHANNEL",
    help="By this channel; otherwise the first of `via` that fits the address.",
)
@click.option("--variant", metavar="V", help="Only this wording; otherwise each of them.")
@click.option("--locale", metavar="L", help="In this language; otherwise the workspace's.")
@click.option(
    "--customer", "key", metavar="KEY", help="With the values of this customer; otherwise example values."
)
@environment_option
@yes_option
@json_option
def command(
    *,
    name: str,
    addresses: tuple[str, ...],
    channel: str | None,
    variant: str | None,
    locale: str | None,
    key: str | None,
    environment: str | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Send the message of a campaign, or of a step of a flow (FLOW.STEP), to addresses of your own.

    The message goes through the channel as a customer's would (in development: into the outbox). It is no part of any run: nothing is
    counted, its links are plain and its unsubscribe link does nothing. An address that is suppressed is refused. What a pack of `rules`
    would refuse a run for is said and sent all the same: for the country of --customer, else for every pack.
    """
    from tidings.campaigns.planning import find_campaign
    from tidings.cli.session import open_session, with_step
    from tidings.errors import UsageError

    if len(addresses) > _MOST:
        raise UsageError(f"{len(addresses)} addresses are no test; {_MOST} are the most")
    with open_session(environment=environment) as opened:
        session = replace(opened, settings=with_step(opened.settings, name))
        campaign = find_campaign(session.settings.definitions, name)
        legs = [(address, _leg(session, campaign, address, channel)) for address in addresses]
        for address, leg in legs:
            _refuse_suppressed(session, leg, address)
        if not yes and not session.settings.environment.outbox:
            _ask(session, [address for address, _ in legs])
        sent = _send(
            session, campaign, legs, variant, locale or session.settings.definitions.workspace.locale, key
        )
    if as_json:
        click.echo(
            json.dumps(
                {"campaign": name, "sent": [one.as_json() for one in sent]}, ensure_ascii=False, indent=2
            )
        )
    else:
        for one in sent:
            wording = f"{one.locale}{f', {one.variant}' if one.variant else ''}"
            answer = one.outcome.detail or one.outcome.provider_ref or ""
            click.echo(f"{one.outcome.kind:<10} {one.to} by {one.channel} ({wording})  {answer}".rstrip())
            for line in one.would_refuse:
                click.echo(f"{'':<10} by a run it {line}")
        click.echo("A test: no run, no count, plain links.")
    return 0 if all(one.outcome.kind == "accepted" for one in sent) else 1


def _leg(session: Session, campaign: Campaign, address: str, wanted: str | None) -> Channel:
    """Return the channel for an address: e-mail where there is an @, otherwise SMS before fax."""
    from tidings.errors import UsageError

    channels = session.settings.definitions.channels
    if wanted is not None:
        if wanted not in channels:
            raise UsageError(f'no channel "{wanted}"', what_to_do=f"there is {', '.join(channels)}")
        return channels[wanted]
    kinds = ("email",) if "@" in address else ("sms", "fax")
    bound = [channels[name] for name in campaign.via if name in channels]
    for kind in kinds:
        for channel in bound:
            if channel.kind == kind:
                return channel
    raise UsageError(
        f'"{address}" fits no channel of {campaign.id} (via: {", ".join(campaign.via)})',
        what_to_do="an e-mail address has an @, a number begins with + and the country; or name a channel with --by",
    )


def _normalised(session: Session, channel: Channel, address: str) -> str:
    from tidings.customers.identity import normalise_email
    from tidings.customers.phones import normalise_phone
    from tidings.errors import UsageError

    try:
        if channel.kind == "email":
            return normalise_email(address)
        return normalise_phone(address, session.settings.definitions.workspace.country)
    except ValueError as error:
        raise UsageError(f'"{address}" cannot be written to by {channel.id}: {error}') from error


def _refuse_suppressed(session: Session, channel: Channel, address: str) -> None:
    import sqlalchemy as sa

    from tidings.customers.identity import address_hash
    from tidings.errors import RefusedByPolicy
    from tidings.store.tables import people

    salt = session.settings.definitions.workspace.salt
    hashed = address_hash(salt, channel.kind, _normalised(session, channel, address))
    suppressions = people.suppressions
    with session.store.read() as connection:
        reason = connection.execute(
            sa.select(suppressions.c.reason).where(
                suppressions.c.channel == channel.kind,
                suppressions.c.address_hash == hashed,
                suppressions.c.lifted_at.is_(None),
            )
        ).scalar()
    if reason is not None:
        raise RefusedByPolicy(
            f"{address} is suppressed ({reason}): nothing may be sent there, not even a test",
            what_to_do="take another address",
        )


def _ask(session: Session, addresses: list[str]) -> None:
    from tidings.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError("this would really send, and there is nobody to ask", what_to_do="add --yes")
    where = session.settings.environment.name
    if not click.confirm(f"really send to {', '.join(addresses)} from {where}?", default=False):
        raise UsageError("nothing was sent")


def _send(
    session: Session,
    campaign: Campaign,
    legs: list[tuple[str, Channel]],
    variant: str | None,
    locale: str,
    key: str | None,
) -> list[_Sent]:
    from tidings.channels.registry import load_adapter
    from tidings.clock import to_micros
    from tidings.store import audit
    from tidings.templates.campaign import variant_of

    settings = session.settings
    if variant is not None:
        variant_of(campaign, variant)
    variants: list[str | None] = [variant] if variant else [one.name for one in campaign.variants] or [None]
    sent: list[_Sent] = []
    adapters: dict[str, Adapter] = {}
    for address, channel in legs:
        if channel.id not in adapters:
            adapters[channel.id] = load_adapter(
                channel, environment=settings.environment, data_dir=settings.data_dir
            )
        adapter = adapters[channel.id]
        made = [
            (one, _written(session, campaign, channel, adapter, address, one, locale, key))
            for one in variants
        ]
        connection = adapter.connect()
        try:
            for name, (outgoing, used, lacks) in made:
                sent.append(_Sent(address, channel.id, name, used, connection.submit(outgoing), lacks))
        finally:
            connection.close()
    with session.store.durable("send test") as store:
        now = to_micros(session.clock.now())
        detail = {"messages": len(sent), "accepted": sum(one.outcome.kind == "accepted" for one in sent)}
        audit.append(store, now, getpass.getuser(), "test sent", campaign.id, detail)
    return sent


def _written(
    session: Session,
    campaign: Campaign,
    channel: Channel,
    adapter: Adapter,
    address: str,
    variant: str | None,
    locale: str,
    key: str | None,
) -> tuple[Outgoing, str, tuple[str, ...]]:
    """Return the finished message, the locale of its words, and what a run would refuse it for."""
    from tidings.channels.protocol import Outgoing
    from tidings.delivery.asked_ahead import asked_ahead, lack_lines
    from tidings.delivery.wordings import Task, bare_sender, check_form, compile_wording
    from tidings.errors import TidingsError
    from tidings.templates.email import MessageUrls, Recipient
    from tidings.templates.sources import read_sources
    from tidings.templates.values import RenderError

    definitions = session.settings.definitions
    form = adapter.capabilities.form
    check_form(channel, adapter.name, adapter.capabilities.kind, form)
    task = Task(
        definitions,
        campaign.id,
        read_sources(Path(definitions.root), campaign.send),
        "test",
        session.clock,
    )
    wording = compile_wording(task, channel, form, variant, locale)
    values = _values(session, campaign, wording.compiled, locale, key)
    base = definitions.workspace.public_url.rstrip("/")
    urls = MessageUrls(
        click=lambda _, __, url: url, pixel=lambda _: "", unsubscribe=lambda _: f"{base}/u/preview"
    )
    to = _normalised(session, channel, address)
    try:
        written = wording.write(Recipient(0, key or "test", to, locale, values), urls)
    except RenderError as error:
        raise TidingsError(f"the message cannot be written: {error.field} {error.reason}") from error
    place = _place(session, channel.kind, key)
    lacks = lack_lines(asked_ahead(definitions, campaign, channel, wording.compiled, values, place))
    return (
        Outgoing(0, bare_sender(channel), to, written.payload, written.parts, "test", written.segments),
        wording.compiled.locale,
        tuple(lacks),
    )


def _place(session: Session, kind: str, key: str | None) -> Somewhere:
    """Return where the customer is whose values the message has; without one it could be read anywhere."""
    import sqlalchemy as sa

    from tidings.customers.countries import number_column
    from tidings.delivery.asked_ahead import Somewhere
    from tidings.store.tables import people

    if key is None:
        return Somewhere(anywhere=True)
    customers = people.customers
    with session.store.read() as connection:
        row = connection.execute(
            sa.select(customers.c.country, number_column(kind)).where(customers.c.key == key)
        ).one()
    return Somewhere(*row)


def _values(
    session: Session, campaign: Campaign, compiled: Compiled, locale: str, key: str | None
) -> dict[str, Any]:
    import sqlalchemy as sa

    from tidings.cli.message_values import example_values, values_of
    from tidings.errors import UsageError
    from tidings.store.tables import people

    definitions = session.settings.definitions
    if key is None:
        return example_values(definitions, campaign, compiled, locale)
    with session.store.read() as connection:
        found = connection.execute(
            sa.select(people.customers.c.id).where(people.customers.c.key == key)
        ).scalar()
        if found is None:
            raise UsageError(f'there is no customer with the key "{key}"')
        return values_of(connection, definitions, campaign, compiled, found, locale, session.clock.now())
