"""`tidings preview`: one customer's message as it would be written; nothing is sent or stored."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidings.cli.options import environment_option, examples, json_option
from tidings.cli.preview_files import safe_stem, write_preview

if TYPE_CHECKING:
    from tidings.cli.session import Session
    from tidings.config.settings import Settings
    from tidings.definitions.kinds.campaign import Campaign
    from tidings.definitions.workspace import Definitions
    from tidings.delivery.gaps import Gaps
    from tidings.templates.email import CompiledEmail, MessageUrls, Recipient, Shown

_NO_ADDRESS = "no-address@example.invalid"


@dataclass(frozen=True, slots=True)
class _Customer:
    id: int
    key: str
    addresses: dict[str, str]
    locale: str
    country: str | None


@click.command(
    epilog=examples(
        "tidings preview spring_winback",
        "tidings preview spring_winback --customer C-1",
        "tidings preview spring_winback --customer C-1 --variant warm --locale ru",
        "tidings preview winback_ladder.letter",
    )
)
@click.argument("name")
@click.option(
    "--customer", "key", metavar="KEY", help="With the values of this customer; without it, a gallery of all."
)
@click.option("--variant", metavar="V", help="Which wording; for a customer the first one when left out.")
@click.option("--locale", metavar="L", help="Another locale than the customer's, such as zh-TW.")
@click.option("--text", "only_text", is_flag=True, help="Print the text part alone; write no files.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where to: a folder for the gallery, for a customer a file (HTML, or all of it when the name ends in .eml). "
    "Otherwise .tidings/previews/.",
)
@json_option
@environment_option
def command(
    *,
    name: str,
    key: str | None,
    variant: str | None,
    locale: str | None,
    only_text: bool,
    out: Path | None,
    as_json: bool,
    environment: str | None,
) -> int:
    """Show a campaign's messages, or those of a step (FLOW.STEP), before anybody gets them. Nothing is sent, no link does anything.

    Without a customer: a gallery of every channel of `via`, locale and variant, with example values, as one page: e-mails as HTML and
    PNG, SMS in a phone with a mark at each segment, faxes as pages. Once the campaign has a plan, how many of its people lack a value
    stands beside the messages. With a customer: the message by each channel, printed; the e-mail also as .html, for a browser, and as
    .eml, for a mail program, text messages and faxes also as pictures.

    \b
    With --json:
      index, files      the page, and all files written (gallery)
      cards             kind, channel (title), channel_id, locale, variant,
                        facts, notes, text, fell_back (values not known),
                        pictures, html (gallery)
      subject, preheader, text, links, bytes, fell_back, refused_when_unknown,
      warnings, files, to
                        the e-mail (customer)
      rules, would_refuse
                        what the rules of countries ask of the e-mail (rule,
                        code, wants, lack: a sentence or null), and why a real
                        send would refuse it (sentences) (customer)
      legs              other channels: channel, kind, to, text, facts, notes,
                        fell_back, files, refused (a sentence or null)
                        (customer)
      plan, gaps, unworded
                        the last plan and of whom it knows too little, as
                        `tidings plan` says it
    """  # noqa: D301
    from tidings.campaigns.planning import find_campaign
    from tidings.cli.plan_gaps import gap_lines, last_plan_gaps
    from tidings.cli.preview_legs import leg_lines, other_legs
    from tidings.cli.ranked import ranked_lines
    from tidings.cli.session import open_session, with_step

    if key is None:
        return _gallery(name, variant, locale, out, as_json=as_json, environment=environment)
    with open_session(environment=environment) as opened:
        session = replace(opened, settings=with_step(opened.settings, name))
        campaign = find_campaign(session.settings.definitions, name)
        customer = _customer(session, key, locale)
        facts, said = _email_facts(session, campaign, customer, variant, out, only_text=only_text)
        facts["legs"] = (
            []
            if only_text and "text" in facts
            else other_legs(
                session,
                campaign,
                customer.id,
                key,
                customer.addresses,
                customer.country,
                locale=customer.locale,
                variant=variant,
                folder=session.settings.data_dir / "previews" / safe_stem(f"{name}-{key}"),
            )
        )
        planned = None if only_text else last_plan_gaps(session, campaign)
        ranked = ranked_lines(session, campaign)
    if only_text:
        click.echo(said or "\n".join(leg.get("text", "") for leg in facts["legs"]))
        return 0
    if as_json:
        click.echo(json.dumps({**facts, **_planned(planned)}, ensure_ascii=False, indent=2))
        return 0
    if said is not None:
        _print(facts, said, customer.locale)
    for leg in facts["legs"]:
        click.echo("\n".join(leg_lines(leg)))
    for line in gap_lines(planned[1]) if planned else []:
        click.echo(f"in the last plan, {line}")
    for line in ranked:
        click.echo(line)
    click.echo("Nothing was sent; the links are plain and the unsubscribe link does nothing.")
    return 0


def _planned(planned: tuple[str, Gaps] | None) -> dict[str, Any]:
    if planned is None:
        return {"plan": None, "gaps": [], "unworded": []}
    return {"plan": planned[0], **planned[1].as_json()}


def _gallery(
    name: str,
    variant: str | None,
    locale: str | None,
    out: Path | None,
    *,
    as_json: bool,
    environment: str | None,
) -> int:
    """Write the gallery; it needs the files of the workspace, and reads the last plan where there is a store."""
    from tidings.campaigns.planning import find_campaign
    from tidings.cli.gallery import make_gallery
    from tidings.cli.session import with_step
    from tidings.clock import SystemClock
    from tidings.config.settings import load_settings

    settings = with_step(load_settings(environment=environment), name)
    find_campaign(settings.definitions, name)

    planned = _last_plan(settings, name, environment)

    def tell(done: int, total: int) -> None:
        if not as_json and sys.stderr.isatty():
            click.echo(f"\r{done} of {total} messages", nl=done == total, err=True)

    made = make_gallery(
        settings.definitions,
        name,
        out or settings.data_dir / "previews" / name,
        clock=SystemClock(),
        only_locale=locale,
        only_variant=variant,
        gaps=planned[1] if planned else None,
        progress=tell,
    )
    if as_json:
        told = {"campaign": name, **made.as_json(), **_planned(planned)}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return 0
    for card in made.cards:
        where = f"{card.kind:<6} {card.locale:<6} {card.variant}".rstrip()
        click.echo(f"{where:<26} {'; '.join(card.facts)}")
        for note in card.notes:
            click.echo(f"{'':<26} look at: {note}")
    click.echo(f"\nwrote {made.index}")
    click.echo("Open it in a browser. Nothing was sent; no link in it does anything.")
    return 0


def _last_plan(settings: Settings, name: str, environment: str | None) -> tuple[str, Gaps] | None:
    """Return the last plan and its gaps; None without one, and before there is a store."""
    from tidings.cli.plan_gaps import last_plan_gaps
    from tidings.cli.session import open_session
    from tidings.store.engines import file_of

    path = file_of(settings.store_url)
    if path is not None and not (path.exists() and path.stat().st_size):
        return None
    with open_session(environment=environment, root=Path(settings.definitions.root)) as session:
        return last_plan_gaps(session, settings.definitions.campaigns[name])


def _first_variant(definitions: Definitions, name: str) -> str | None:
    variants = definitions.campaigns[name].variants
    return variants[0].name if variants else None


def _customer(session: Session, key: str, locale: str | None) -> _Customer:
    """Return who a customer is and where they can be written to; UsageError for an unknown key."""
    import sqlalchemy as sa

    from tidings.customers.permission import address_columns
    from tidings.errors import UsageError
    from tidings.store.tables import people

    columns = people.customers.c
    kinds = ("email", "sms", "fax")
    with session.store.read() as connection:
        row = connection.execute(
            sa.select(
                columns.id, columns.locale, columns.country, *(address_columns(kind)[0] for kind in kinds)
            ).where(columns.key == key)
        ).one_or_none()
    if row is None:
        raise UsageError(
            f'there is no customer with the key "{key}"',
            what_to_do="`tidings segment NAME` shows members with their keys",
        )
    addresses = {kind: address for kind, address in zip(kinds, row[3:], strict=True) if address}
    wanted = locale or row.locale or session.settings.definitions.workspace.locale
    return _Customer(row.id, key, addresses, wanted, row.country)


def _email_facts(
    session: Session,
    campaign: Campaign,
    customer: _Customer,
    variant: str | None,
    out: Path | None,
    *,
    only_text: bool,
) -> tuple[dict[str, Any], str | None]:
    """Return the facts of the e-mail and its text, and write its files; little and None for a campaign without e-mail.

    Raises TidingsError where this customer's e-mail cannot be written.
    """
    from tidings.cli.gallery_cards import Somebody
    from tidings.cli.message_values import values_of
    from tidings.cli.preview_rules import email_rules
    from tidings.errors import TidingsError
    from tidings.templates.campaign import campaign_email, variant_of
    from tidings.templates.email import Recipient
    from tidings.templates.sources import read_sources
    from tidings.templates.values import RenderError

    definitions, name, key = session.settings.definitions, campaign.id, customer.key
    chosen = variant or _first_variant(definitions, name)
    variant_of(campaign, variant)
    kinds = [definitions.channels[one].kind for one in campaign.via if one in definitions.channels]
    if "email" not in kinds:
        return {"campaign": name, "customer": key, "variant": chosen, "locale": customer.locale}, None
    email = campaign_email(
        definitions,
        name,
        sources=read_sources(Path(definitions.root), campaign.send),
        locale=customer.locale,
        salt="preview",
        clock=session.clock,
        variant=variant,
        tracked=False,
    )
    with session.store.read() as connection:
        values = values_of(
            connection, definitions, campaign, email, customer.id, customer.locale, session.clock.now()
        )
    to = customer.addresses.get("email")
    person = Recipient(0, key, to or _NO_ADDRESS, customer.locale, values)
    urls = _plain_urls(definitions)
    try:
        shown, content = email.show(person, urls), email.fill(person, urls)
    except RenderError as error:
        raise TidingsError(
            f'the message for customer "{key}" cannot be written: {error.field} {error.reason}',
            what_to_do=f"this customer would be refused (render_error); change templates/{campaign.send} or the "
            "customer's data",
        ) from error
    text = shown.text.replace("\r\n", "\n")
    if only_text:
        return {"text": text}, text
    files = write_preview(session.settings.data_dir / "previews", f"{name}-{key}", out, shown, content)
    facts = _facts(
        name=name, variant=chosen, email=email, person=person, shown=shown, content=content, files=files
    )
    place = Somebody(key, customer.addresses, customer.country).place("email")
    return {**facts, "to": to, **email_rules(definitions, campaign, email, values, place)}, shown.text


def _plain_urls(definitions: Definitions) -> MessageUrls:
    """Links as written, and an unsubscribe address without a token: a preview must not be able to act."""
    from tidings.templates.email import MessageUrls

    return MessageUrls(
        click=lambda _, __, url: url,
        pixel=lambda _: "",
        unsubscribe=lambda _: f"{definitions.workspace.public_url.rstrip('/')}/u/preview",
    )


def _facts(
    *,
    name: str,
    variant: str | None,
    email: CompiledEmail,
    person: Recipient,
    shown: Shown,
    content: bytes,
    files: list[Path],
) -> dict[str, Any]:
    return {
        "campaign": name,
        "customer": person.key,
        "variant": variant,
        "locale": email.locale,
        "to": person.address,
        "subject": shown.subject,
        "preheader": shown.preheader,
        "text": shown.text.replace("\r\n", "\n"),
        "links": list(email.links),
        "bytes": len(content),
        "fell_back": list(shown.fell_back),
        "refused_when_unknown": sorted(email.required),
        "warnings": [problem.as_json() for problem in email.warnings],
        "files": [str(path) for path in files],
    }


def _print(facts: dict[str, Any], text: str, wanted: str) -> None:
    from tidings.cli.preview_rules import kept_of

    variant = f", variant {facts['variant']}" if facts["variant"] else ""
    if wanted != facts["locale"]:
        click.echo(f"There is no wording in {wanted}; this is what such a customer gets.\n")
    click.echo(f"{facts['campaign']} for {facts['customer']} ({facts['locale']}{variant})\n")
    click.echo(
        f"To         {facts['to'] or 'nobody: this customer has no e-mail address and would be refused'}"
    )
    click.echo(f"Subject    {facts['subject']}")
    if facts["preheader"]:
        click.echo(f"Preheader  {facts['preheader']}")
    click.echo(f"Size       {facts['bytes'] / 1024:.1f} KB")
    fell_back = ", ".join(facts["fell_back"])
    click.echo(f"Unknown    {fell_back + ' (the template does without)' if fell_back else 'nothing'}")
    kept = kept_of(facts)
    click.echo(f"Rules      {kept}\n" if kept else "")
    click.echo("\n".join(f"  {line}".rstrip() for line in text.replace("\r\n", "\n").strip().split("\n")))
    click.echo("\nLinks")
    for number, url in enumerate(facts["links"], 1):
        click.echo(f"  {number}  {url}")
    for warning in facts["warnings"]:
        click.echo(f"\nwarning: {warning['path']}:{warning['line']}: {warning['message']}")
    for line in facts["would_refuse"]:
        click.echo(f"\nwarning: {line}")
    click.echo("")
    for path in facts["files"]:
        click.echo(f"wrote {path}")
