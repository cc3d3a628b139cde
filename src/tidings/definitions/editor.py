"""JSON Schemas of one workspace: its own attributes, events, segments, channels and messages to choose from.

An editor with a YAML language server completes and checks definitions with them while they are written. There
is a set a language, because an editor shows the text of the schema as it stands.
"""

from __future__ import annotations

import json
from typing import Any

from tidings.definitions.hovers import LOCALES, hover
from tidings.definitions.kinds.rules import FIXED_COLUMNS, RECORDED_RESPONSES, TASK_EVENTS, Attribute
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
    own = _Names(definitions)
    for kind, schema in found.items():
        schema["$id"] = f"tidings:{locale}/{kind}"
        _translate(schema, locale)
    _campaign(found["campaign"], own)
    _segment(found["segment"], own)
    _flow(found["flow"], own)
    for kind in ("campaign", "segment"):
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


class _Names:
    """The names that a workspace offers, as parts of a schema: an editor completes them and shows their titles."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions

    def segments(self) -> dict[str, Any]:
        return _choice({name: one.title for name, one in self.definitions.segments.items()})

    def channels(self) -> dict[str, Any]:
        titles = {name: one.title for name, one in self.definitions.channels.items()}
        if self.definitions.attributes.get("preferred_channel"):
            titles = {"preferred": "preferred_channel", **titles}
        return _choice(titles)

    def purposes(self) -> dict[str, Any]:
        return _choice({one.name: one.message_class for one in self.definitions.policies.purposes})

    def messages(self) -> dict[str, Any]:
        folders = {path.split("/", 1)[1].rpartition("/")[0] for path in self.definitions.templates}
        return _choice({name: f"templates/{name}/" for name in sorted(folders) if name})

    def events(self, *, declared: bool = False) -> dict[str, Any]:
        titles = {one.name: one.title for one in self.definitions.events.events}
        answers = {name: one.title for name, one in TASK_EVENTS.items()}
        return _choice(titles if declared else {**titles, **dict.fromkeys(RECORDED_RESPONSES, ""), **answers})

    def starts(self) -> dict[str, Any]:
        """Return what a flow can start by: declared events and answers to tasks."""
        titles = {one.name: one.title for one in self.definitions.events.events}
        return _choice({**titles, **{name: one.title for name, one in TASK_EVENTS.items()}})

    def lists(self) -> dict[str, Any]:
        """Return the segments that flows can add to and remove from."""
        segments = self.definitions.segments
        return _choice({name: one.title for name, one in segments.items() if one.members == "listed"})

    def people(self) -> dict[str, Any]:
        return _choice({one.name: one.title for one in self.definitions.staff.people})

    def parties(self) -> dict[str, Any]:
        attributes = self.definitions.attributes.attributes
        return _choice({one.name: one.title for one in attributes if one.type == "text"})

    def dates(self) -> dict[str, Any]:
        """Return what days are counted from: dates of customers and of events."""
        titles = {
            one.name: one.title
            for one in self.definitions.attributes.attributes
            if one.type in ("date", "instant")
        }
        own = {
            part.name: event.title
            for event in self.definitions.events.events
            for part in event.properties
            if part.type == "date"
        }
        return _choice({**own, **titles})

    def fields(self) -> dict[str, str]:
        """Return what an import of customers can fill, with titles."""
        own = {one.name: one.title or one.type for one in self.definitions.attributes.attributes}
        return {**{name: name for name in FIXED_COLUMNS if name != "key"}, **own}

    def parts(self) -> dict[str, str]:
        """Return the properties of all events, with the event and the type."""
        events = self.definitions.events.events
        return {part.name: f"{event.name}: {part.type}" for event in events for part in event.properties}

    def worth(self) -> dict[str, Any]:
        money = {
            part.name: one.title
            for one in self.definitions.events.events
            for part in one.properties
            if part.type == "money"
        }
        return _choice({"revenue": "", "margin": "", **money})


def _choice(titles: dict[str, str]) -> dict[str, Any]:
    """Return a schema of one name out of several, each with its title; of any name where there is none yet."""
    if not titles:
        return {"type": "string"}
    return {"type": "string", "enum": list(titles), "enumDescriptions": list(titles.values())}


def _column(locale: str) -> dict[str, Any]:
    """Return the schema of a column of a file: its name alone, or with how it is read."""
    from tidings.definitions.readers.columns import COLUMN_KEYS

    long = json.loads(json.dumps(COLUMN_KEYS.schema()))
    _translate(long, locale)
    return {"anyOf": [{"type": ["string", "integer"]}, long]}


def _several(one: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "uniqueItems": True}]}


def _put(properties: dict[str, Any], key: str, schema: dict[str, Any]) -> None:
    """Set what may stand at a key and keep what is said about it."""
    kept = {name: properties[key][name] for name in ("description", "examples")}
    properties[key] = {**schema, **kept}


def _campaign(schema: dict[str, Any], own: _Names) -> None:
    properties = schema["properties"]
    conditions = {"type": "array", "items": {"$ref": "#/$defs/condition"}, "minItems": 1}
    inline = {
        "type": "object", "properties": {"where": conditions}, "required": ["where"], "additionalProperties": False,
    }  # fmt: skip
    _put(properties, "to", {"anyOf": [*_several(own.segments())["anyOf"], inline]})
    for key in ("except", "copies_to"):
        _put(properties, key, _several(own.segments()))
    _put(properties, "via", _several(own.channels()))
    _put(properties, "purpose", own.purposes())
    _put(properties, "send", own.messages())
    for goal in (properties["goal"], properties["also"]["items"]):
        goal["properties"]["did"] |= own.events()
        goal["properties"]["worth"] |= own.worth()


def _segment(schema: dict[str, Any], own: _Names) -> None:
    conditions = {"type": "array", "items": {"$ref": "#/$defs/condition"}, "minItems": 1}
    for key in ("where", "except"):
        _put(schema["properties"], key, conditions)
    sortable = {
        one.name: one.title
        for one in own.definitions.attributes.attributes
        if one.type in ("number", "money", "date", "instant")
    }
    by = schema["properties"]["rank"]["properties"]["by"]
    by["examples"] = [*sortable, *by["examples"]]


def _flow(schema: dict[str, Any], own: _Names) -> None:
    properties = schema["properties"]
    conditions = {"type": "array", "items": {"$ref": "#/$defs/condition"}, "minItems": 1}
    _put(properties, "purpose", own.purposes())
    _put(properties, "leave_when", conditions)
    start = properties["starts"]["properties"]
    _put(start, "did", own.starts())
    _put(start, "of", own.events(declared=True))
    _put(start, "date", own.dates())
    for key in ("enters", "leaves"):
        _put(start, key, own.segments())
    step = properties["steps"]["additionalProperties"]["properties"]
    _put(step, "when", conditions)
    _put(step, "send", own.messages())
    _put(step, "via", _several(own.channels()))
    _put(step, "purpose", own.purposes())
    _put(step, "to", own.parties())
    _put(step, "notify", own.people())
    for key in ("add_to", "remove_from"):
        _put(step, key, own.lists())
    step["wait_for"]["properties"]["did"] |= own.events()
    for goal in (properties["goal"], properties["also"]["items"]):
        goal["properties"]["did"] |= own.events()
        goal["properties"]["worth"] |= own.worth()


def _condition(
    definitions: Definitions, own: _Names, locale: str, *, started: bool = False
) -> dict[str, Any]:
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
        _put(did, key, own.events())
    for key in ("with", "total", "average", "largest"):
        _put(did, key, {"type": "object", "properties": parts, "additionalProperties": False})
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
