"""Where the words of `say` and of an offer stand in their file: problems in them name line and column, not the file alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tidings.definitions.composing import compose
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.nodes import Mapping, Node
from tidings.definitions.source import SourceFile
from tidings.definitions.workspace import Definitions
from tidings.errors import Position, Problem

_SAID = re.compile(r'"(?P<name>[^"]+)" of `say`')
# What a step says of its offer, by the key that it is written under.
_OF_OFFER = {"offer": "gives", "code": "code"}


def located(definitions: Definitions, campaign: Campaign, problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems, those about words of `say` (or of the offer of a step) with the place where these are written.

    `campaign` may be a step of a flow, whose id is then `FLOW.STEP`.
    """
    at = Position(campaign.path)
    if not any(one.at == at and _SAID.match(one.message) for one in problems):
        return list(problems)
    file = SourceFile(campaign.path, definitions.files.get(campaign.path, b""))
    root = None if file.decode() else compose(file)[0]
    return [_placed(one, file, root, campaign) if one.at == at else one for one in problems]


def _placed(problem: Problem, file: SourceFile, root: Node | None, campaign: Campaign) -> Problem:
    said = _SAID.match(problem.message)
    if said is None or root is None:
        return problem
    step = campaign.id.partition(".")[2]
    for keys, offered in _ways(root, step, said["name"]):
        node = _below(root, keys)
        if node is not None:
            at = Position(file.path, node.place.line, node.place.column, node.place.length)
            message = problem.message
            if offered:
                message = f"`{keys[-1]}` of the offer{message[said.end() :]}"
            return replace(problem, at=at, message=message, source=file.excerpt(at.line))
    return problem


def _ways(root: Node, step: str, name: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield the keys under which a text may stand, and whether that is an offer, the likeliest first."""
    if step:
        yield ("steps", step, "say", name), False
        if name in _OF_OFFER:
            yield ("steps", step, "offer", _OF_OFFER[name]), True
    else:
        yield ("say", name), False
        for variant in _names(_below(root, ("variants",))):
            yield ("variants", variant, "say", name), False


def _names(node: Node | None) -> Iterable[str]:
    return node.entries if isinstance(node, Mapping) else ()


def _below(node: Node | None, keys: Sequence[str]) -> Node | None:
    for key in keys:
        entry = node.entries.get(key) if isinstance(node, Mapping) else None
        if entry is None:
            return None
        node = entry.value
    return node
