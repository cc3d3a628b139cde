"""JSON Schemas of one workspace: its own attributes, events, segments, channels and messages to choose from.

An editor with a YAML language server completes and checks definitions with them while they are written. There
is a set a language, because an editor shows the text of the schema as it stands.
"""

from __future__ import annotations

import json
from typing import Any

from tidings.definitions import editor_measuring
from tidings.definitions.editor_names import Names, put, several
from tidings.definitions.hovers import LOCALES, hover
from tidings.definitions.kinds.rules import FIXED_COLUMNS, Attribute
from tidings.definitions.phrases import PHRASES
from tidings.definitions.reference import schemas
from tidings.definitions.workspace import Definitions

FOLDER = "config/schemas"


def schema_files(definitions: Definitions) -> dict[str, str]:
    """Return the text of every schema by its path in the workspace, such as config/schemas/ru/campaign.json."""
    found = {}
    for locale in LOCALES:
        for kind, schema in workspace_schemas(definitions, locale).items():
            text = json.dumps(schema, ensure_ascii=False, indent=1) + "\n"
            found[f"{FOLDER}/{locale}/{kind}.json"] = text
    return found


def workspace_schemas(definitions: Definitions, locale: str = "en") -> dict[str, dict[str, Any]]:
    """Return a JSON Schema (2020-12) for each kind of file, with the names of a workspace and texts in a language."""
    found = json.loads(json.dumps(schemas()))
    own = Names(definitions)
    for kind, schema in found.items():
        schema["$id"] = f"tidings:{locale}/{kind}"
        _translate(schema, locale)
    _campaign(found["campaign"], own)
    _segment(found["segment"], own)
    _flow(found["flow"], own)
    editor_measuring.fill(found, own)
    for kind in ("campaign", "segment", "goals"):
        found[kind]["$defs"] = {"condition": _condition(definitions, own, locale)}
    found["flow"]["$defs"] = {"condition": _condition(definitions, own, locale, started=True)}
    for one in found["import"]["oneOf"]:
        properties = one["properties"]
        if "event" in properties:
            properties["event"] |= own.events(declared=True)
        column = _column(locale)
        if "fields" in properties:
            properties["fields"] |= {
                "properties": {name: {**column, "title": title} for name, title in own.fields().items()},
                "additionalProperties": False,
            }
        if "properties" in properties:
            properties["properties"] |= {
                "properties": {name: {**column, "title": title} for name, title in own.parts().items()},
                "additionalProperties": column,
            }
    return dict(found)


def _column(locale: str) -> dict[str, Any]:
    """Return the schema of a column of a file: its name alone, or with how it is read."""
    from tidings.definitions.readers.columns import COLUMN_KEYS

    long = json.loads(json.dumps(COLUMN_KEYS.schema()))
    _translate(long, locale)
    return {"anyOf": [{"type": ["string", "integer"]}, long]}


def _campaign(schema: dict[str, Any], own: Names) -> None:
    properties = schema["properties"]
    conditions = {"type": "array", "items": {"$ref": "#/$defs/condition"}, "minItems": 1}
    inline = {
        "type": "object", "properties": {"where": conditions}, "required": ["where"], "additionalProperties": False,
    }  # fmt: skip
    put(properties, "to", {"anyOf": [*several(own.segments())["anyOf"], inline]})
    for key in ("except", "copies_to"):
        put(properties, key, several(own.segments()))
    put(properties, "via", several(own.channels()))
    put(properties, "purpose", own.purposes())
    put(properties, "serves", own.goals())
    put(properties, "send", own.messages())
    for goal in (properties["goal"], properties["also"]["items"]):
        goal["properties"]["did"] |= own.events()
        goal["properties"]["worth"] |= own.worth()


def _segment(schema: dict[str, Any], own: Names) -> None:
    conditions = {"type": "array", "items": {"$ref": "#/$defs/condition"}, "minItems": 1}
    for key in ("where", "except"):
        put(schema["properties"], key, conditions)
    by = schema["properties"]["rank"]["properties"]["by"]
    by["examples"] = [*own.sortable(), *by["examples"]]


def _flow(schema: dict[str, Any], own: Names) -> None:
    properties = schema["properties"]
    conditions = {"type": "array", "items": {"$ref": "#/$defs/condition"}, "minItems": 1}
    put(properties, "purpose", own.purposes())
    put(properties, "serves", own.goals())
    put(properties, "leave_when", conditions)
    start = properties["starts"]["properties"]
    put(start, "did", own.starts())
    put(start, "of", own.events(declared=True))
    put(start, "date", own.dates())
    for key in ("enters", "leaves"):
        put(start, key, own.segments())
    step = properties["steps"]["additionalProperties"]["properties"]
    put(step, "when", conditions)
    put(step, "send", own.messages())
    put(step, "via", several(own.channels()))
    put(step, "purpose", own.purposes())
    put(step, "to", own.parties())
    put(step, "notify", own.people())
    for key in ("add_to", "remove_from"):
        put(step, key, own.lists())
    step["wait_for"]["properties"]["did"] |= own.events()
    for goal in (properties["goal"], properties["also"]["items"]):
        goal["properties"]["did"] |= own.events()
        goal["properties"]["worth"] |= own.worth()


def _condition(definitions: Definitions, own: Names, locale: str, *, started: bool = False) -> dict[str, Any]:
    """Return the schema of one line of `where`: every attribute, every event, segments, any, all and none.

    `started`: of a flow, whose conditions may ask for properties of the event that started it.
    """
    from tidings.definitions.behaviour import DID, DID_NOT

    nested = {"type": "array", "items": {"$ref": "#/$defs/condition"}, "minItems": 1}
    properties: dict[str, Any] = {}
    if started:
        for event in definitions.events.events:
            properties |= {
                part.name: _attribute(Attribute(part.name, part.type, event.title))
                for part in event.properties
            }
    properties |= {name: _attribute(Attribute(name, "text")) for name in FIXED_COLUMNS}
    for attribute in definitions.attributes.attributes:
        properties[attribute.name] = _attribute(attribute)
    did = json.loads(json.dumps(DID.schema()["properties"] | DID_NOT.schema()["properties"]))
    _translate(did, locale)
    parts = {
        part.name: {"title": f"{event.name}: {part.type}"}
        for event in definitions.events.events
        for part in event.properties
    }
    for key in ("did", "did_not"):
        put(did, key, own.events())
    for key in ("with", "total", "average", "largest"):
        put(did, key, {"type": "object", "properties": parts, "additionalProperties": False})
    return {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {
            **did,
            **properties,
            "segment": own.segments(),
            "any": nested,
            "all": nested,
            "none": nested,
        },
    }


def _attribute(attribute: Attribute) -> dict[str, Any]:
    """Return what may be asked of an attribute, with the phrases of its type as examples."""
    examples: list[Any] = [phrase.example for phrase in PHRASES if attribute.type in phrase.types]
    title = f"{attribute.title} ({attribute.type})" if attribute.title else attribute.type
    found: dict[str, Any] = {"title": title, "examples": [*attribute.values, *examples, "known", "unknown"]}
    if attribute.values:
        one = {"type": "string", "enum": [*attribute.values, "known", "unknown"]}
        found["anyOf"] = [one, {"type": "array", "items": one, "minItems": 1}, {"type": "object"}]
    elif attribute.type == "flag":
        found["anyOf"] = [{"type": "boolean"}, {"enum": ["known", "unknown"]}, {"type": "object"}]
    return found


def _translate(part: Any, locale: str) -> None:
    """Put every description of a schema into a language, in place."""
    if isinstance(part, dict):
        if isinstance(part.get("description"), str):
            part["description"] = hover(part["description"], locale)
        for inner in part.values():
            _translate(inner, locale)
    elif isinstance(part, list):
        for inner in part:
            _translate(inner, locale)
