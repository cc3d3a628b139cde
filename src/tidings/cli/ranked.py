"""The scores that the people of a campaign are ranked by, in lines for `tidings preview` and `tidings plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.cli.session import Session
    from tidings.definitions.kinds.campaign import Campaign
    from tidings.segments.scoring import ScoreInUse


def ranked_by(session: Session, campaign: Campaign) -> list[ScoreInUse]:
    """Return the scores that segments of the audience are ranked by. Raises RefusedByPolicy for one that is missing or too old."""
    from tidings.segments.audience import audience_segments
    from tidings.segments.scoring import usable_scores

    definitions, now = session.settings.definitions, session.clock.now()
    with session.store.read() as connection:
        return usable_scores(connection, definitions, audience_segments(campaign), now=now)


def ranked_lines(session: Session, campaign: Campaign) -> list[str]:
    """Return a sentence for each of those scores, or the one that says why the campaign cannot be planned now."""
    from tidings.errors import RefusedByPolicy

    try:
        return [one.sentence(session.clock.now()) for one in ranked_by(session, campaign)]
    except RefusedByPolicy as error:
        return [f"WARNING  {error.message}; {error.what_to_do}"]
