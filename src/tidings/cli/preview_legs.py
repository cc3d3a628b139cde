"""The text messages and faxes that one customer would get of a campaign, beside the e-mail that `tidings preview` shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidings.cli.gallery_cards import CardWriter
    from tidings.cli.session import Session
    from tidings.definitions.kinds.campaign import Campaign
    from tidings.delivery.wordings import Compiled


def other_legs(
    session: Session,
    campaign: Campaign,
    customer_id: int,
    key: str,
    addresses: Mapping[str, str],
    country: str | None,
    *,
    locale: str,
    variant: str | None,
    folder: Path,
) -> list[dict[str, Any]]:
    """Return what each SMS and fax channel of `via` would carry to a customer, and write its pictures into a folder.

    `country` is the customer's attribute, `addresses` theirs by kind; a leg without one is shown all the same, `to` is then None. A leg whose message
    cannot be written has `refused`, a sentence.
    """
    from tidings.cli.gallery_cards import CardWriter, Somebody, Wanted
    from tidings.cli.message_values import values_of
    from tidings.templates.sources import read_sources
    from tidings.templates.values import RenderError

    definitions = session.settings.definitions

    def values(compiled: Compiled, wanted: str) -> Mapping[str, Any]:
        with session.store.read() as connection:
            return values_of(
                connection, definitions, campaign, compiled, customer_id, wanted, session.clock.now()
            )

    writer = CardWriter(
        definitions,
        campaign.id,
        folder,
        read_sources(Path(definitions.root), campaign.send),
        session.clock,
        values,
        Somebody(key, addresses, country),
    )
    chosen = variant or (campaign.variants[0].name if campaign.variants else None)
    legs = []
    for name in campaign.via:
        channel = definitions.channels.get(name)
        if channel is None or channel.kind not in ("sms", "fax"):
            continue
        leg: dict[str, Any] = {"channel": name, "kind": channel.kind, "to": addresses.get(channel.kind)}
        try:
            legs.append(leg | _shown(writer, Wanted(channel, locale, chosen)))
        except RenderError as error:
            legs.append(leg | {"refused": f"{error.field} {error.reason}"})
    return legs


def _shown(writer: CardWriter, one: Any) -> dict[str, Any]:
    before = len(writer.files)
    card = writer.card(one)
    return {
        "text": card.text,
        "facts": list(card.facts),
        "notes": list(card.notes),
        "fell_back": list(card.fell_back),
        "files": [str(path) for path in writer.files[before:]],
        "refused": None,
    }


def leg_lines(leg: Mapping[str, Any]) -> list[str]:
    """Return one leg as lines for people."""
    to = leg["to"] or "nobody: this customer has no such number and would be refused"
    lines = ["", f"{leg['channel']} ({leg['kind']})", "", f"To         {to}"]
    if leg["refused"]:
        return [*lines, f"Refused    {leg['refused']}"]
    lines += [f"{'Takes' if place == 0 else '':<10} {fact}" for place, fact in enumerate(leg["facts"])]
    unknown = ", ".join(leg["fell_back"])
    lines.append(f"Unknown    {unknown + ' (the template does without)' if unknown else 'nothing'}")
    if leg["text"]:
        lines += ["", *(f"  {line}".rstrip() for line in leg["text"].split("\n"))]
    lines += [f"warning: {note}" for note in leg["notes"]]
    return [*lines, "", *(f"wrote {path}" for path in leg["files"])]
