"""A score of config/scores.yaml as a question to the store: which events, which customers, which lines of it decide."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.clock import from_micros
from tidings.definitions.conditions import (
    AllOfThese,
    AnyOfThese,
    AttributeCondition,
    Condition,
    NoneOfThese,
)
from tidings.definitions.kinds.measuring import Score
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.scores.features import RESPONSES, Source, sources
from tidings.scores.reading import Question
from tidings.scores.times import Cut
from tidings.segments.compile import compile_segment
from tidings.segments.references import find_segment, ordered
from tidings.segments.scope import Scope


def find_score(definitions: Definitions, name: str) -> Score:
    """Return a score by its name; for an unknown one the UsageError names the nearest."""
    if name in definitions.scores:
        return definitions.scores[name]
    near = get_close_matches(name, definitions.scores, n=1, cutoff=0.5)
    known = ", ".join(sorted(definitions.scores))
    raise UsageError(
        f'there is no score "{name}"',
        what_to_do=f'did you mean "{near[0]}"?'
        if near
        else (f"config/scores.yaml has {known}" if known else "describe it in config/scores.yaml"),
    )


def made_of(score: Score, definitions: Definitions) -> tuple[Source, ...]:
    """Return the events that features are made of. Raises UsageError when none is left or what is predicted is no event."""
    if definitions.events.get(score.did) is None and score.did not in RESPONSES:
        raise UsageError(
            f'the score {score.name} predicts "{score.did}", which is not an event of config/events.yaml',
            what_to_do="declare it there, or correct `did:` in config/scores.yaml",
        )
    found = sources(score, definitions)
    if not any(one.listed for one in found):
        raise UsageError(
            f"the score {score.name} has no event to learn from: all of them are kept out, or none is declared",
            what_to_do="name events under `events:` in config/scores.yaml",
        )
    return found


def asked(score: Score) -> dict[str, Any]:
    """Return the lines of a definition that decide what its numbers mean; a model answers these and no others."""
    return {
        "did": score.did,
        "within": str(score.within),
        "history": str(score.history),
        "events": list(score.events),
        "who": score.who,
        "keep_out": list(score.keep_out),
    }


def question_of(
    score: Score,
    definitions: Definitions,
    sources: tuple[Source, ...],
    columns: tuple[str, ...],
    cut: Cut,
    *,
    share: float = 1.0,
) -> Question:
    """Return what is read at one cut-off; `who` is asked as of then, as far as events go."""
    members: sa.Select[tuple[int]] | None = None
    if score.who:
        segment = whom(score, definitions)
        members = compile_segment(segment, Scope.of(definitions, from_micros(cut.at), looking=True))
    return Question(sources, score.did, definitions.workspace.currency, columns, members, share)


def whom(score: Score, definitions: Definitions) -> Segment:
    """Return the segment a score is limited to. Raises UsageError when it needs a score itself, which would go in a circle."""
    segment = find_segment(definitions, score.who)
    for one in ordered(definitions, [segment.id]):
        if one.rank is not None and definitions.attributes.get(one.rank.by) is None:
            raise UsageError(
                f"the score {score.name} is for {segment.id}, which is ranked by the score {one.rank.by} itself",
                what_to_do="give `who:` a segment without such a rank",
            )
    return segment


def as_of_now(score: Score, definitions: Definitions) -> tuple[str, ...]:
    """Return what `who` asks that was not kept for earlier days: attributes, and lists filled by hand."""
    if not score.who:
        return ()
    found: list[str] = []
    for one in ordered(definitions, [score.who]):
        if one.members == "listed":
            found.append(f"the list {one.id}")
        found += _attributes((*one.where, *one.except_))
        found += [one.rank.by] if one.rank is not None else []
    return tuple(dict.fromkeys(found))


def _attributes(conditions: tuple[Condition, ...]) -> Iterator[str]:
    for one in conditions:
        match one:
            case AttributeCondition(name):
                yield name
            case AllOfThese(parts) | AnyOfThese(parts) | NoneOfThese(parts):
                yield from _attributes(parts)
            case _:
                pass


def zone_of(definitions: Definitions) -> ZoneInfo:
    """Return the clock that whole days are counted on."""
    return ZoneInfo(definitions.workspace.zone)
