"""The gallery of `tidings preview NAME`: every leg, locale and variant of a campaign's message, as files to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidings.cli.gallery_cards import CardWriter, Somebody, Wanted

if TYPE_CHECKING:
    from tidings.cli.gallery_cards import Values
    from tidings.clock import Clock
    from tidings.definitions.kinds.campaign import Campaign
    from tidings.definitions.workspace import Definitions
    from tidings.delivery.gaps import Gaps
    from tidings.templates.gallery import Card


@dataclass(frozen=True, slots=True)
class Gallery:
    """What was written: the page, its cards in order, and every file."""

    index: Path
    cards: tuple[Card, ...]
    files: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys; paths are whole."""
        folder = self.index.parent
        return {
            "index": str(self.index),
            "cards": [
                {
                    **{
                        name: value
                        for name, value in asdict(card).items()
                        if name not in ("fragment", "pictures", "link")
                    },
                    "pictures": [str(folder / name) for name in card.pictures],
                    "html": str(folder / card.link) if card.link else None,
                }
                for card in self.cards
            ],
            "files": [str(path) for path in self.files],
        }


def make_gallery(
    definitions: Definitions,
    name: str,
    folder: Path,
    *,
    clock: Clock,
    gaps: Gaps | None = None,
    only_locale: str | None = None,
    only_variant: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Gallery:
    """Write the gallery of a campaign into a folder; raises TemplateErrors with all problems of a template.

    An example customer of each language stands for everybody. `gaps`: of the last plan; what it says of a channel and a
    language then stands beside their messages.
    """
    from tidings.templates.gallery import gallery_html

    campaign = definitions.campaigns[name]
    sources = _sources(definitions, campaign)
    wanted = _wanted(definitions, campaign, sources, only_locale, only_variant)
    writer = CardWriter(
        definitions, name, folder, sources, clock, _examples(definitions, campaign), Somebody()
    )
    cards = []
    for number, one in enumerate(wanted):
        cards.append(_with_counts(writer.card(one), gaps))
        if progress is not None:
            progress(number + 1, len(wanted))
    subtitle = f"templates/{campaign.send} · {len(cards)} messages"
    footer = (
        "Example values stand for the customer's. Nothing was sent; the tokens of short links are made up."
    )
    page = gallery_html(campaign.title, subtitle, cards, footer)
    index = writer.write("index.html", page.encode())
    return Gallery(index, tuple(cards), tuple(writer.files))


def _with_counts(card: Card, gaps: Gaps | None) -> Card:
    """Return the card with what the last plan knows of its readers; what concerns many stands among the notes."""
    if gaps is None:
        return card
    found = [one for one in gaps.gaps if (one.channel, one.locale) == (card.channel_id, card.locale)]
    told = {
        many: tuple(f"in the last plan, {one.sentence()}" for one in found if one.many is many)
        for many in (True, False)
    }
    return replace(card, facts=(*card.facts, *told[False]), notes=(*card.notes, *told[True]))


def _sources(definitions: Definitions, campaign: Campaign) -> dict[str, bytes]:
    from tidings.templates.sources import read_sources

    return read_sources(Path(definitions.root), campaign.send)


def _wanted(
    definitions: Definitions,
    campaign: Campaign,
    sources: Mapping[str, bytes],
    only_locale: str | None,
    only_variant: str | None,
) -> list[Wanted]:
    """Return the cards to make: channels as in `via`, locales for which there is a file, the workspace's first."""
    from tidings.errors import UsageError

    variants: list[str | None] = [one.name for one in campaign.variants] or [None]
    if only_variant is not None and only_variant not in variants:
        listed = ", ".join(str(one) for one in variants if one) or "none"
        raise UsageError(
            f'campaign "{campaign.id}" has no variant "{only_variant}"', what_to_do=f"there are: {listed}"
        )
    found = []
    for name in campaign.via:
        channel = definitions.channels.get(name)
        if channel is None or channel.kind not in ("email", "sms", "fax"):
            continue
        locales = {
            file.split(".")[1]
            for file in sources
            if file.startswith(f"{channel.kind}.") and file.count(".") == 2
        }
        own = definitions.workspace.locale
        ordered = [own, *sorted(locales - {own})] if own in locales else sorted(locales)
        for locale in [only_locale] if only_locale else ordered:
            found += [
                Wanted(channel, locale, variant) for variant in variants if only_variant in (None, variant)
            ]
    return found


def _examples(definitions: Definitions, campaign: Campaign) -> Values:
    from tidings.cli.message_values import example_values

    return lambda compiled, locale: example_values(definitions, campaign, compiled, locale)
