"""`tidings preview`: one customer's message as it would be written; nothing is sent or stored."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.cli.session import Session
    from tidings.definitions.workspace import Definitions
    from tidings.templates.email import CompiledEmail, MessageUrls, Recipient, Shown

_NO_ADDRESS = "no-address@example.invalid"


@dataclass(frozen=True, slots=True)
class _Customer:
    key: str
    address: str | None
    locale: str
    variables: dict[str, Any]


@click.command(
    epilog=examples(
        "tidings preview spring_winback --customer C-1",
        "tidings preview spring_winback --customer C-1 --variant warm --locale ru",
    )
)
@click.argument("name")
@click.option("--customer", "key", required=True, metavar="KEY", help="The customer's key.")
@click.option("--variant", metavar="V", help="Which wording; the first one when left out.")
@click.option("--locale", metavar="L", help="Another locale than the customer's, such as zh-TW.")
@click.option("--text", "only_text", is_flag=True, help="Print the text part alone; write no files.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the message there instead of .tidings/previews/ (HTML, or all of it when the name ends in .eml).",
)
@json_option
@environment_option
def command(
    *,
    name: str,
    key: str,
    variant: str | None,
    locale: str | None,
    only_text: bool,
    out: Path | None,
    as_json: bool,
    environment: str | None,
) -> int:
    """Render a campaign's message for one customer. Nothing is sent; its links are the plain ones.

    It is printed as text and written as .html, for a browser, and as .eml, for a mail program.
    """
    from tidings.campaigns.planning import find_campaign
    from tidings.cli.session import open_session
    from tidings.errors import TidingsError
    from tidings.templates.email import Recipient
    from tidings.templates.values import RenderError

    with open_session(environment=environment) as session:
        definitions = session.settings.definitions
        find_campaign(definitions, name)
        email, customer = _prepared(session, name, key, variant, locale)
        person = Recipient(0, key, customer.address or _NO_ADDRESS, customer.locale, customer.variables)
        urls = _plain_urls(definitions)
        try:
            shown, content = email.show(person, urls), email.fill(person, urls)
        except RenderError as error:
            raise TidingsError(
                f'the message for customer "{key}" cannot be written: {error.field} {error.reason}',
                what_to_do=f"this customer would be refused (render_error); change templates/"
                f"{definitions.campaigns[name].send} or the customer's data",
            ) from error
        if only_text:
            click.echo(shown.text.replace("\r\n", "\n"))
            return 0
        files = _write(session.settings.data_dir / "previews", f"{name}-{key}", out, shown, content)
    facts = _facts(
        name=name,
        variant=variant or _first_variant(definitions, name),
        email=email,
        person=person,
        shown=shown,
        content=content,
        files=files,
    )
    facts["to"] = customer.address
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        _print(facts, shown.text, customer.locale)
    return 0


def _first_variant(definitions: Definitions, name: str) -> str | None:
    variants = definitions.campaigns[name].variants
    return variants[0].name if variants else None


def _prepared(
    session: Session, name: str, key: str, variant: str | None, locale: str | None
) -> tuple[CompiledEmail, _Customer]:
    """Compile the message in the customer's locale and load what it needs of the customer."""
    import sqlalchemy as sa

    from tidings.delivery.variables import load
    from tidings.errors import UsageError
    from tidings.store.tables import people
    from tidings.templates.campaign import campaign_email
    from tidings.templates.sources import read_sources

    definitions = session.settings.definitions
    columns = people.customers.c
    with session.store.read() as connection:
        row = connection.execute(
            sa.select(columns.id, columns.email, columns.locale).where(columns.key == key)
        ).one_or_none()
        if row is None:
            raise UsageError(
                f'there is no customer with the key "{key}"',
                what_to_do="`tidings segment NAME` shows members with their keys",
            )
        wanted = locale or row.locale or definitions.workspace.locale
        email = campaign_email(
            definitions,
            name,
            sources=read_sources(Path(definitions.root), definitions.campaigns[name].send),
            locale=wanted,
            salt="preview",
            clock=session.clock,
            variant=variant,
            tracked=False,
        )
        variables = load(connection, definitions.attributes, [row.id], email.variables)[row.id]
    return email, _Customer(key, row.email, wanted, variables)


def _plain_urls(definitions: Definitions) -> MessageUrls:
    """Links as written, and an unsubscribe address without a token: a preview must not be able to act."""
    from tidings.templates.email import MessageUrls

    return MessageUrls(
        click=lambda _, __, url: url,
        pixel=lambda _: "",
        unsubscribe=lambda _: f"{definitions.workspace.public_url.rstrip('/')}/u/preview",
    )


def _write(folder: Path, stem: str, out: Path | None, shown: Shown, content: bytes) -> list[Path]:
    from tidings.errors import TidingsError

    page = (shown.html or f"<pre>{shown.text}</pre>").encode()
    if out is not None:
        targets = {out: content if out.suffix.lower() == ".eml" else page}
    else:
        # A key may hold anything; a file name may not.
        safe = re.sub(r"[^\w.-]+", "_", stem).strip("._") or "preview"
        targets = {folder / f"{safe}.html": page, folder / f"{safe}.eml": content}
    try:
        for path, written in targets.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(written)
    except OSError as error:
        raise TidingsError(
            f"the preview cannot be written to {path}: {error.strerror}",
            what_to_do="name another file with --out",
        ) from error
    return list(targets)


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
    click.echo(f"Unknown    {fell_back + ' (the template does without)' if fell_back else 'nothing'}\n")
    click.echo("\n".join(f"  {line}".rstrip() for line in text.replace("\r\n", "\n").strip().split("\n")))
    click.echo("\nLinks")
    for number, url in enumerate(facts["links"], 1):
        click.echo(f"  {number}  {url}")
    for warning in facts["warnings"]:
        click.echo(f"\nwarning: {warning['path']}:{warning['line']}: {warning['message']}")
    click.echo("")
    for path in facts["files"]:
        click.echo(f"wrote {path}")
    click.echo("Nothing was sent; the links are plain and the unsubscribe link does nothing.")
