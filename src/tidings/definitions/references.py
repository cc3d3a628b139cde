"""Checks that need more than one file: circles of segments, tests of the same name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tidings.definitions.conditions import (
    AllOfThese,
    AnyOfThese,
    Condition,
    NoneOfThese,
    SegmentCondition,
)
from tidings.definitions.kinds.flow import Flow
from tidings.definitions.kinds.importing import CostsImport, ExperimentImport, Import, TouchesImport
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.source import SourceFile
from tidings.errors import Position, Problem


def segment_references(conditions: Iterable[Condition]) -> Iterator[SegmentCondition]:
    """Yield every reference to a segment in a tree of conditions."""
    for condition in conditions:
        if isinstance(condition, SegmentCondition):
            yield condition
        elif isinstance(condition, (AllOfThese, AnyOfThese, NoneOfThese)):
            yield from segment_references(condition.parts)


def flow_segments(flow: Flow) -> list[str]:
    """Return the segments that a flow names: those that start it, those that its conditions ask for, and its lists."""
    asked = (*flow.leave_when, *(one for step in flow.steps for one in step.when))
    names = [flow.starts.segment, *(one.segment for one in segment_references(asked))]
    names += [step.segment for step in flow.steps]
    return [name for name in dict.fromkeys(names) if name]


def check_circles(segments: dict[str, Segment], sources: dict[str, SourceFile]) -> list[Problem]:
    """Return one problem for each circle of segments that refer to each other, at the reference that closes it."""
    problems: list[Problem] = []
    done: set[str] = set()
    for start in sorted(segments):
        if start not in done:
            problems += [_circle(*found, segments, sources) for found in _circles_from(start, segments, done)]
    return problems


def _circles_from(
    start: str, segments: dict[str, Segment], done: set[str]
) -> Iterator[tuple[list[str], SegmentCondition]]:
    """Yield each circle met on the way from a segment; a stack of our own, for chains may be long."""
    stack = [(start, _references_of(start, segments))]
    path = [start]
    while stack:
        current, references = stack[-1]
        reference = next(references, None)
        if reference is None:
            stack.pop()
            path.pop()
            done.add(current)
        elif reference.segment in path:
            yield [*path[path.index(reference.segment) :], reference.segment], reference
        elif reference.segment not in done and reference.segment in segments:
            stack.append((reference.segment, _references_of(reference.segment, segments)))
            path.append(reference.segment)


def _references_of(name: str, segments: dict[str, Segment]) -> Iterator[SegmentCondition]:
    segment = segments.get(name)
    return segment_references((*segment.where, *segment.except_)) if segment else iter(())


def _circle(
    circle: list[str],
    reference: SegmentCondition,
    segments: dict[str, Segment],
    sources: dict[str, SourceFile],
) -> Problem:
    at = reference.at or Position(segments[circle[-2]].path)
    names = " → ".join(circle)
    message = f"these segments refer to each other in a circle: {names}"
    if len(circle) == 2:
        message = f'the segment "{circle[0]}" refers to itself'
    return sources[at.path].problem("REF07", at, message, "one of them must say its own conditions")


def media_of(imports: Iterable[Import]) -> frozenset[str] | None:
    """Return the media that imports of costs and touches name; None where a file may bring any, in a column of its own."""
    found: set[str] = set()
    for one in imports:
        if isinstance(one, (CostsImport, TouchesImport)):
            if one.medium.name is not None and isinstance(one, TouchesImport):
                return None
            found |= {word for word in (one.medium.value,) if word}
            found |= {meant for _, meant in (*one.medium.values, *one.medium.starts)}
    return frozenset(found)


def check_experiments(imports: dict[str, Import], sources: dict[str, SourceFile]) -> list[Problem]:
    """Return a problem for each test that takes the name of another: a report could not tell them apart."""
    problems = []
    taken: dict[str, str] = {}
    for mapping in imports.values():
        if not isinstance(mapping, ExperimentImport):
            continue
        if mapping.campaign in taken:
            line = next(
                (n for n, text in enumerate(sources[mapping.path].lines, 1) if text.startswith("campaign:")),
                1,
            )
            problems.append(
                sources[mapping.path].problem(
                    "REF12",
                    Position(mapping.path, line, 1, len("campaign")),
                    f'the test "{mapping.campaign}" is imported by {taken[mapping.campaign]} already',
                    "call one of them otherwise",
                )
            )
        taken.setdefault(mapping.campaign, mapping.path)
    return problems
