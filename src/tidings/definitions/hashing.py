"""What a plan stands for, as a hash: every definition, template byte and rule that a campaign or a flow depends on.

Places in files and comments take no part; every value does. The same definitions give the same hash on every
machine and in every process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from tidings import __version__
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.flow import Flow
from tidings.definitions.references import flow_segments, segment_references
from tidings.definitions.workspace import Definitions
from tidings.errors import Position, UsageError


def definition_hash(definitions: Definitions, name: str) -> str:
    """Return the SHA-256 (hex) of everything that decides what a campaign or a flow does.

    That is the definition itself, its segments with all they refer to, its channels, policies, attributes, events, the
    bytes of its templates, the holidays and people that it goes by, the workspace's clock, currency and salt, and the
    engine's major version. Raises UsageError when there is none of that name.
    """
    found: Campaign | Flow | None = definitions.campaigns.get(name) or definitions.flows.get(name)
    if found is None:
        raise UsageError(
            f'there is no campaign "{name}", and no flow',
            what_to_do="see campaigns/ and flows/ for the names",
        )
    needed = needs_of(found)
    content = {
        "engine": __version__.split(".", maxsplit=1)[0],
        "workspace": canonical(definitions.workspace),
        "campaign" if isinstance(found, Campaign) else "flow": canonical(found),
        "segments": {
            one: canonical(definitions.segments[one])
            for one in needed_segments(definitions, list(needed.segments))
        },
        # `preferred` stands for one of the others.
        "channels": {
            one: canonical(definitions.channels[one])
            for one in needed.channels
            if one in definitions.channels
        },
        "policies": canonical(definitions.policies),
        "attributes": canonical(definitions.attributes),
        "events": canonical(definitions.events),
        "templates": {
            path: digest
            for folder in needed.templates
            for path, digest in template_hashes(definitions, folder).items()
        },
    }
    ranks = [definitions.segments[one].rank for one in needed_segments(definitions, list(needed.segments))]
    scores = {
        one.by: canonical(definitions.scores[one.by]) for one in ranks if one and one.by in definitions.scores
    }
    if scores:
        content["scores"] = scores
    if needed.people:
        content["staff"] = {one: canonical(definitions.staff.get(one)) for one in needed.people}
    if needed.holidays:
        content["holidays"] = canonical(definitions.holidays)
    return _sha256(content)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a campaign or a flow names: segments, channels, folders of templates, people; and whether it asks for holidays."""

    segments: tuple[str, ...]
    channels: tuple[str, ...]
    templates: tuple[str, ...]
    people: tuple[str, ...] = ()
    holidays: bool = False


def needs_of(found: Campaign | Flow) -> Needs:
    """Return what a campaign or a flow names, each once, in the order of the file."""
    if isinstance(found, Campaign):
        names = [*found.to.segments, *found.to.except_, *found.copies_to]
        names += [one.segment for one in segment_references(found.to.where)]
        shifts = found.recurrence is not None and found.recurrence.on_holidays != "send"
        return Needs(tuple(dict.fromkeys(names)), found.via, (found.send,), holidays=shifts)
    steps = found.steps
    return Needs(
        tuple(flow_segments(found)),
        tuple(dict.fromkeys(channel for step in steps for channel in step.via)),
        tuple(dict.fromkeys(folder for step in steps for folder in (step.send, step.card) if folder)),
        tuple(dict.fromkeys(step.notify for step in steps if step.notify)),
        any(step.due_workdays for step in steps),
    )


def policy_hash(definitions: Definitions) -> str:
    """Return the SHA-256 (hex) of config/policies.yaml as it is understood."""
    return _sha256(canonical(definitions.policies))


def needed_segments(definitions: Definitions, names: list[str]) -> list[str]:
    """Return the segments of these names and all that they refer to, sorted."""
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        segment = definitions.segments[name]
        waiting += [one.segment for one in segment_references((*segment.where, *segment.except_))]
    return sorted(needed)


def template_hashes(definitions: Definitions, folder: str) -> dict[str, str]:
    """Return the SHA-256 of every file of a message's folder by its path in the workspace, read now."""
    prefix = f"templates/{folder}/"
    root = Path(definitions.root)
    return {
        path: hashlib.sha256((root / path).read_bytes()).hexdigest()
        for path in sorted(definitions.templates)
        if path.startswith(prefix)
    }


def canonical(value: Any) -> Any:
    """Return a definition as plain JSON values; dataclasses carry their class, places are left out.

    Raises TypeError for anything that is no definition.
    """
    if is_dataclass(value) and not isinstance(value, type):
        found: dict[str, Any] = {"is": type(value).__name__}
        for field in fields(value):
            part = getattr(value, field.name)
            if field.compare and not isinstance(part, Position):
                found[field.name] = canonical(part)
        return found
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Decimal):
        # 1.0 and 1.00 are the same number, and 1E+1 the same as 10.
        return {"decimal": f"{value.normalize():f}"}
    if isinstance(value, (datetime, date, time)):
        return {"time": value.isoformat()}
    if isinstance(value, Mapping):
        return {str(key): canonical(part) for key, part in value.items()}
    if isinstance(value, frozenset):
        return sorted(canonical(part)["time"] if isinstance(part, date) else part for part in value)
    if isinstance(value, (tuple, list)):
        return [canonical(part) for part in value]
    raise TypeError(f"{type(value).__name__} is no part of a definition")


def _sha256(content: Any) -> str:
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
