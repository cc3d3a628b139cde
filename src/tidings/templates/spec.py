"""All that an e-mail is compiled from, as plain data: it can be kept, compared, and handed to another process."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tidings.clock import Clock
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.templates.compile import compile_email
from tidings.templates.compiler import SayText
from tidings.templates.email import CompiledEmail


@dataclass(frozen=True, slots=True)
class EmailSpec:
    """The arguments of `compile_email`, which says what they mean."""

    sources: Mapping[str, bytes]
    folder: str
    locale: str
    fallback_locale: str
    attributes: Attributes
    sender: str
    salt: str
    texts: Mapping[str, SayText] = field(default_factory=dict)
    texts_path: str = ""
    sender_path: str = "channels"
    reply_to: str = ""
    postal_address: str = ""
    message_class: str = "marketing"
    zone: str = "UTC"
    grouped: bool = False
    tracked: bool = True
    list_id: str = ""
    unsubscribe_mailto: str = ""
    feedback_id: str = ""
    public_url: str = "http://127.0.0.1:8200"

    def compile(self, clock: Clock) -> CompiledEmail:
        """Return the compiled message; TemplateErrors with all problems."""
        given = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "sources"}
        return compile_email(self.sources, clock=clock, **given)

    def as_json(self) -> dict[str, Any]:
        """Return the spec as JSON can hold it."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        given["sources"] = {name: b64encode(content).decode() for name, content in self.sources.items()}
        given["texts"] = {
            name: text if isinstance(text, str) else dict(text) for name, text in self.texts.items()
        }
        given["attributes"] = [
            [one.name, one.type, one.currency, list(one.values), one.personal]
            for one in self.attributes.attributes
        ]
        return given

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> EmailSpec:
        """Return the spec that `as_json` wrote."""
        attributes = tuple(
            Attribute(name, kind, currency=currency, values=tuple(values), personal=personal)
            for name, kind, currency, values, personal in given["attributes"]
        )
        sources = {name: b64decode(content) for name, content in given["sources"].items()}
        return cls(**{**given, "sources": sources, "attributes": Attributes(attributes)})
