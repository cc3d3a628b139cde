"""What becomes of occurrences that come late: whoever starts them was away, and the hour is over.

Pure: the occurrences due since the last look, the instant, and the campaign's rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tidings.campaigns.occurrences import Coming
from tidings.definitions.kinds.rules import Purpose

# So late an occurrence is still started as if nothing had happened.
LATEST = timedelta(hours=12)
SKIP, CATCH_UP, RESCHEDULE = "skip", "catch_up", "reschedule"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one occurrence: `state` is starting or skipped, `due` when it is to be started.

    `reason` says in words why it is not as usual; empty when it is.
    """

    key: str
    state: str
    due: datetime
    reason: str = ""


def rule_of(written: str, purpose: Purpose) -> str:
    """Return the rule of a campaign: as written, else `skip` for marketing and surveys and `catch_up` for services."""
    if written:
        return written
    return SKIP if purpose.message_class in ("marketing", "survey") else CATCH_UP


def decide(
    due: Sequence[Coming],
    rule: str,
    now: datetime,
    *,
    following: datetime | None,
    start_on: Callable[[date], datetime],
) -> list[Decision]:
    """Return what becomes of the occurrences that are due, in order: one at most is started.

    `following` is when the next one after them is due, None when there is none; `start_on` returns when one is to be started
    on another day.
    """
    found: list[Decision] = []
    sent = [one for one in due if not one.occurrence.left_out]
    for one in due:
        if one.occurrence.left_out:
            found.append(Decision(one.key, "skipped", one.starts, one.occurrence.left_out))
        elif one is not sent[-1]:
            found.append(
                Decision(one.key, "skipped", one.starts, f"missed, and that of {sent[-1].key} is due too")
            )
        else:
            found.append(_last(one, rule, now, following, start_on))
    return found


def _last(
    one: Coming, rule: str, now: datetime, following: datetime | None, start_on: Callable[[date], datetime]
) -> Decision:
    late = now - one.starts
    if late <= LATEST:
        return Decision(one.key, "starting", one.starts)
    told = f"{_length(late)} late"
    if rule == CATCH_UP:
        return Decision(one.key, "starting", one.starts, f"caught up, {told}")
    if rule == RESCHEDULE:
        day = now.date() - timedelta(days=1)
        moved = next(
            (at for ahead in range(4) if (at := start_on(day + timedelta(days=ahead))) > now),
            now,
        )
        if following is not None and moved >= following:
            return Decision(
                one.key, "skipped", one.starts, f"{told}; its hour comes again only when the next one is due"
            )
        return Decision(one.key, "starting", moved, f"put off to the next time its hour comes, {told}")
    return Decision(
        one.key, "skipped", one.starts, f"{told}, and `misfire: skip` starts none more than 12 hours late"
    )


def _length(late: timedelta) -> str:
    hours = int(late.total_seconds() // 3600)
    return f"{hours} hours" if hours < 48 else f"{hours // 24} days"
