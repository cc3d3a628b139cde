"""The names that one workspace offers, as parts of a JSON Schema."""

from __future__ import annotations

from typing import Any

from tidings.definitions.kinds.rules import FIXED_COLUMNS, KNOWN_EVENTS, RECORDED_RESPONSES
from tidings.definitions.references import media_of
from tidings.definitions.workspace import Definitions


class Names:
    """The names that a workspace offers, as parts of a schema: an editor completes them and shows their titles."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions

    def segments(self) -> dict[str, Any]:
        """Return every segment."""
        return choice({name: one.title for name, one in self.definitions.segments.items()})

    def channels(self) -> dict[str, Any]:
        """Return what `via` can name."""
        titles = {name: one.title for name, one in self.definitions.channels.items()}
        if self.definitions.attributes.get("preferred_channel"):
            titles = {"preferred": "preferred_channel", **titles}
        return choice(titles)

    def purposes(self) -> dict[str, Any]:
        """Return the purposes, each with its class of messages."""
        return choice({one.name: one.message_class for one in self.definitions.policies.purposes})

    def messages(self) -> dict[str, Any]:
        """Return the folders of messages."""
        folders = {path.split("/", 1)[1].rpartition("/")[0] for path in self.definitions.templates}
        return choice({name: f"templates/{name}/" for name in sorted(folders) if name})

    def goals(self) -> dict[str, Any]:
        """Return the goals of the company."""
        goals = self.definitions.goals
        return choice({one.id: one.title for one in goals.goals} if goals else {})

    def sortable(self) -> dict[str, str]:
        """Return what customers can be put in order by: attributes that have a highest, and scores."""
        own = {
            one.name: one.title
            for one in self.definitions.attributes.attributes
            if one.type in ("number", "money", "date", "instant")
        }
        return {**own, **{name: one.title for name, one in self.definitions.scores.items()}}

    def events(self, *, declared: bool = False) -> dict[str, Any]:
        """Return the events, with responses and the answers to tasks unless only `declared` ones count."""
        titles = {one.name: one.title for one in self.definitions.events.events}
        known = {name: one.title for name, one in KNOWN_EVENTS.items()}
        return choice(titles if declared else {**titles, **dict.fromkeys(RECORDED_RESPONSES, ""), **known})

    def starts(self) -> dict[str, Any]:
        """Return what a flow can start by: declared events, redemptions and answers to tasks."""
        titles = {one.name: one.title for one in self.definitions.events.events}
        return choice({**titles, **{name: one.title for name, one in KNOWN_EVENTS.items()}})

    def lists(self) -> dict[str, Any]:
        """Return the segments that flows can add to and remove from."""
        segments = self.definitions.segments
        return choice({name: one.title for name, one in segments.items() if one.members == "listed"})

    def conversions(self) -> dict[str, Any]:
        """Return the events that say what one is worth."""
        return choice({one.name: one.title for one in self.definitions.events.events if one.revenue})

    def media(self) -> list[str]:
        """Return what a window of attribution can be for: kinds of channels, media of imports, and any."""
        kinds = [one.kind for one in self.definitions.channels.values()]
        return list(
            dict.fromkeys([*kinds, *sorted(media_of(self.definitions.imports.values()) or ()), "any"])
        )

    def campaigns(self) -> list[str]:
        """Return the names of campaigns and flows."""
        return [*self.definitions.campaigns, *self.definitions.flows]

    def people(self) -> dict[str, Any]:
        """Return the staff."""
        return choice({one.name: one.title for one in self.definitions.staff.people})

    def parties(self) -> dict[str, Any]:
        """Return the attributes that can name another party."""
        attributes = self.definitions.attributes.attributes
        return choice({one.name: one.title for one in attributes if one.type == "text"})

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
        return choice({**own, **titles})

    def fields(self) -> dict[str, str]:
        """Return what an import of customers can fill, with titles."""
        own = {one.name: one.title or one.type for one in self.definitions.attributes.attributes}
        return {**{name: name for name in FIXED_COLUMNS if name != "key"}, **own}

    def parts(self) -> dict[str, str]:
        """Return the properties of all events, with the event and the type."""
        events = self.definitions.events.events
        return {part.name: f"{event.name}: {part.type}" for event in events for part in event.properties}

    def worth(self) -> dict[str, Any]:
        """Return what a goal can be worth."""
        money = {
            part.name: one.title
            for one in self.definitions.events.events
            for part in one.properties
            if part.type == "money"
        }
        return choice({"revenue": "", "margin": "", **money})


def choice(titles: dict[str, str]) -> dict[str, Any]:
    """Return a schema of one name out of several, each with its title; of any name where there is none yet."""
    if not titles:
        return {"type": "string"}
    return {"type": "string", "enum": list(titles), "enumDescriptions": list(titles.values())}


def several(one: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of one, or of a list of them without doubles."""
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "uniqueItems": True}]}


def put(properties: dict[str, Any], key: str, schema: dict[str, Any]) -> None:
    """Set what may stand at a key and keep what is said about it."""
    kept = {name: properties[key][name] for name in ("description", "examples")}
    properties[key] = {**schema, **kept}
