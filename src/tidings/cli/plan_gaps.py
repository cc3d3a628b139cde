"""Of whom a plan knows too little for its words, and whose language has none: for `tidings plan` and `tidings preview`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.cli.session import Session
    from tidings.definitions.kinds.campaign import Campaign
    from tidings.delivery.gaps import Compiled, Gaps
    from tidings.delivery.rule_counts import Lacking
    from tidings.templates.holes import Message

# So many lines of each kind are printed; all of them stand in --json.
_SHOWN = 8


def plan_gaps(session: Session, campaign: Campaign, plan_hash: str) -> Gaps:
    """Return the gaps of a plan with the templates as they are now; raises TemplateErrors with what is wrong with them."""
    from tidings.delivery.gaps import gaps_of_plan

    with session.store.read() as connection:
        return gaps_of_plan(
            connection, session.settings.definitions.attributes, plan_hash, _compiler(session, campaign)
        )


def plan_lacks(session: Session, campaign: Campaign, plan_hash: str) -> tuple[Lacking, ...]:
    """Return whom the rules of countries would refuse for the words of the templates as they are now."""
    if not session.settings.definitions.policies.rules:
        return ()
    from tidings.delivery.rule_counts import lacking_of_plan

    with session.store.read() as connection:
        return lacking_of_plan(
            connection, session.settings.definitions, campaign, plan_hash, _compiler(session, campaign)
        )


def _compiler(session: Session, campaign: Campaign) -> Compiled:
    """Return what compiles the message of a channel in a variant for a locale."""
    from tidings.delivery.wordings import FORMS, Task, compile_wording
    from tidings.templates.sources import locales, nearest_locale, read_sources

    definitions = session.settings.definitions
    sources = read_sources(Path(definitions.root), campaign.send)
    task = Task(definitions, campaign.id, sources, "plan", session.clock)
    own = definitions.workspace.locale
    made: dict[tuple[str, str | None, str | None], Message] = {}

    def compiled(channel_id: str, variant: str | None, locale: str) -> Message:
        channel = definitions.channels[channel_id]
        # Customers of many regions share few files, and a fax takes its time to compile.
        key = (channel_id, variant, nearest_locale(locale, locales(sources, channel.kind), own))
        if key not in made:
            form = FORMS[channel.kind][0]
            made[key] = compile_wording(task, channel, form, variant, locale or own).compiled
        return made[key]

    return compiled


def last_plan_gaps(session: Session, campaign: Campaign) -> tuple[str, Gaps] | None:
    """Return the hash of the last plan of a campaign and its gaps; None where nobody has planned it."""
    import sqlalchemy as sa

    from tidings.store.tables import sending

    plans = sending.plans
    with session.store.read() as connection:
        last = connection.execute(
            sa.select(plans.c.hash)
            .where(plans.c.campaign == campaign.id, plans.c.state != "filling")
            .order_by(plans.c.planned_at.desc(), plans.c.id.desc())
            .limit(1)
        ).scalar()
    return None if last is None else (last, plan_gaps(session, campaign, last))


def gap_lines(gaps: Gaps) -> list[str]:
    """Return the gaps as lines for people: the largest first, `look at this:` before those that somebody should look at."""
    lines = [f"{'look at this: ' if one.many else ''}{one.sentence()}" for one in gaps.gaps[:_SHOWN]]
    lines += [one.sentence() for one in gaps.unworded[:_SHOWN]]
    left = max(len(gaps.gaps) - _SHOWN, 0) + max(len(gaps.unworded) - _SHOWN, 0)
    return [*lines, *([f"and {left} more such lines in --json"] if left else [])]
