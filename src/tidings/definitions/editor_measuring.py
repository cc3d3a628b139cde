"""Schemas of attribution, goals and scores, and of imports of ads, with the names of one workspace in them."""

from __future__ import annotations

from typing import Any

from tidings.definitions.editor_names import Names, put, several
from tidings.definitions.kinds.measuring import MEASURES


def fill(found: dict[str, Any], own: Names) -> None:
    """Put the names of a workspace into the schemas of what is measured, in place."""
    _attribution(found["attribution"]["properties"], own)
    _goals(found["goals"], own)
    _scores(found["scores"]["additionalProperties"]["properties"], own)
    for one in found["import"]["oneOf"]:
        if "medium" in one["properties"]:
            _campaigns(one["properties"]["campaign"], own)


def _attribution(properties: dict[str, Any], own: Names) -> None:
    put(properties, "conversions", several(own.conversions()))
    # Other words are media of ads, which an editor cannot know all.
    windows = properties["windows"]
    windows["properties"] = dict.fromkeys(own.media(), windows["additionalProperties"])


def _goals(schema: dict[str, Any], own: Names) -> None:
    measure = schema["additionalProperties"]["properties"]["measure"]
    measure["examples"] = [*(one for names in MEASURES.values() for one in names), *measure["examples"]]
    conditions = {"type": "array", "items": {"$ref": "#/$defs/condition"}, "minItems": 1}
    short, long = schema["properties"]["ladder"]["additionalProperties"]["anyOf"]
    short.update(conditions)
    put(long["properties"], "where", conditions)


def _scores(properties: dict[str, Any], own: Names) -> None:
    declared = own.events(declared=True)
    put(properties, "did", declared)
    put(properties, "events", several(declared))
    put(properties, "who", own.segments())


def _campaigns(campaign: dict[str, Any], own: Names) -> None:
    """Show what a file's words for campaigns can lead to."""
    campaign["examples"] = [*campaign["examples"], *(f"value: {name}" for name in own.campaigns())]
