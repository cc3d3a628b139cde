"""A small schema layer: each key says how it is read, what it means and what may stand there.

One table of keys per kind drives the reading, the sentences, the reference page and the JSON Schema.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tidings.definitions.context import Context, Unreadable, did_you_mean, nearest
from tidings.definitions.keyboard import mixed_scripts, sign_trap
from tidings.definitions.nodes import Entry, Mapping, Node, Place, Scalar, Sequence

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Reader(Generic[T_co]):
    """Reads a node into a value or raises Unreadable; `says` completes "here stands …"."""

    read: Callable[[Node, Context], T_co]
    says: str
    schema: AnyMapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a mapping."""

    name: str
    reader: Reader[Any]
    means: str
    example: str
    required: bool = False
    default: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that a mapping may have, in the order in which they are best written.

    `what` is what the mapping is ("a campaign"); `later` are keys of the dialect that this version does not
    read; `renamed` maps a key that people try to the sentence that helps them, `aliases` another spelling to the key.
    """

    what: str
    keys: tuple[Key, ...]
    later: frozenset[str] = frozenset()
    renamed: AnyMapping[str, str] = field(default_factory=dict)
    aliases: AnyMapping[str, str] = field(default_factory=dict)

    def read(self, node: Node, context: Context, *, ignore: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the value of every key that is written; report all problems before raising Unreadable."""
        mapping = expect_mapping(node, context, self.what)
        failed = self._respell(mapping, context)
        values: dict[str, Any] = {}
        known = {key.name: key for key in self.keys}
        for name, entry in mapping.entries.items():
            if name in ignore:
                continue
            if name not in known:
                self._unknown(name, entry, context)
                failed = True
                continue
            try:
                values[name] = known[name].reader.read(entry.value, context)
            except Unreadable:
                failed = True
        meant = {nearest(name, list(known)) for name in mapping.entries if name not in known}
        for position, key in enumerate(self.keys):
            # A required key that is there under a misspelt name is reported once, not twice.
            if key.required and key.name not in mapping.entries and key.name not in meant | set(ignore):
                self._missing(key, position, mapping, context)
                failed = True
        if failed:
            raise Unreadable
        return values

    def _respell(self, mapping: Mapping, context: Context) -> bool:
        """File entries under another spelling of a key under the key itself; tell whether one stands there twice."""
        twice = False
        for spelling, name in self.aliases.items():
            entry = mapping.entries.pop(spelling, None)
            if entry is not None and name in mapping.entries:
                context.report(
                    "KEY07", entry.key, f'"{spelling}" and "{name}" are the same', "keep one of them"
                )
                twice = True
            elif entry is not None:
                mapping.entries[name] = entry
        return twice

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the mapping."""
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                key.name: {**key.reader.schema, "description": key.means, "examples": [key.example]}
                for key in self.keys
            }
            | {
                spelling: {"description": f"Another spelling of `{name}`."}
                for spelling, name in self.aliases.items()
            },
            "required": [key.name for key in self.keys if key.required],
        }

    def _unknown(self, name: str, entry: Entry, context: Context) -> None:
        names = [key.name for key in self.keys]
        if name in self.renamed:
            context.report("KEY06", entry.key, f'"{name}" is not a key of {self.what}', self.renamed[name])
        elif name in self.later:
            context.report(
                "KEY04",
                entry.key,
                f'"{name}" is not supported by this version of tidings',
                "leave it out; nothing of it would happen",
            )
        elif not key_trap(name, entry.key, context, names):
            context.report(
                "KEY01",
                entry.key,
                f'"{name}" is not something {self.what} can say',
                did_you_mean(name, names),
            )

    def _missing(self, key: Key, position: int, mapping: Mapping, context: Context) -> None:
        report_missing(
            mapping,
            context,
            f'{self.what} needs "{key.name}"',
            key.example,
            [one.name for one in self.keys[:position]],
        )


def report_missing(mapping: Mapping, context: Context, message: str, example: str, before: list[str]) -> None:
    """Report a missing key where it should go: after the last of the keys that stand before it."""
    if context.file.repaired:
        return  # the line that YAML could not read may be the one that holds it; it is said once that is mended
    hint = f"write here, for example: {example}"
    if mapping.flow or not mapping.entries:
        place = mapping.place
        closing = Place(place.end_line, max(place.end_column - 1, 1), 1, place.end_line, place.end_column)
        context.report("KEY02", closing if mapping.flow else place, message, hint)
        return
    present = [name for name in before if name in mapping.entries]
    last = mapping.entries[present[-1]] if present else None
    line = last.value.place.end_line if last else next(iter(mapping.entries.values())).key.place.line
    column = next(iter(mapping.entries.values())).key.place.column
    context.report_missing("KEY02", line + 1, column, message, hint)


def key_trap(name: str, key: Scalar, context: Context, names: list[str]) -> bool:
    """Report a key that a keyboard or an input method spoiled; tell whether it was one."""
    mixed = mixed_scripts(name)
    near = nearest(name, names)
    if mixed and (mixed[1] in names or near):
        context.report("KBD02", key, mixed[0], f'write "{near or mixed[1]}" in Latin letters')
        return True
    trap = sign_trap(name)
    if trap:
        several = "," in trap[2] or not nearest(name, names)
        context.report(trap[0], key, trap[1], f"write: {trap[2]}" if several else did_you_mean(name, names))
        return True
    return False


def shape_of(node: Node) -> str:
    """Return what a node is, in words."""
    if isinstance(node, Mapping):
        return "keys with values"
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Scalar) and node.value is None:
        return "nothing"
    return "a text" if isinstance(node, Scalar) and isinstance(node.value, str) else "one value"


def expect_mapping(node: Node, context: Context, what: str) -> Mapping:
    """Return the node as a mapping, or report what stands there instead."""
    if isinstance(node, Mapping):
        return node
    trap = sign_trap(node.text) if isinstance(node, Scalar) else None
    if trap:
        raise context.report(trap[0], node, trap[1], f"write: {trap[2]}")
    raise context.report(
        "KEY03", node, f"{what} is written as keys with values; here stands {shape_of(node)}"
    )


def expect_items(node: Node, context: Context, what: str) -> list[Node]:
    """Return the items of a list, or report what stands there instead."""
    if isinstance(node, Sequence):
        return node.items
    hint = "put - in front of each line" if isinstance(node, Mapping) else "write it as [a, b]"
    raise context.report("KEY03", node, f"write {what} as a list; here stands {shape_of(node)}", hint)


def expect_scalar(node: Node, context: Context, says: str) -> Scalar:
    """Return the node as one value, or report what stands there instead; nothing at all is a problem too."""
    if not isinstance(node, Scalar):
        raise context.report("KEY03", node, f"here stands {shape_of(node)}; write {says}")
    if node.value is None:
        raise context.report("KEY03", node, f"nothing stands here; write {says}")
    return node


def each(nodes: list[Node], context: Context, read: Callable[[Node, Context], T]) -> tuple[T, ...]:
    """Read every item; report the problems of all of them before raising Unreadable."""
    values: list[T] = []
    failed = False
    for node in nodes:
        try:
            values.append(read(node, context))
        except Unreadable:
            failed = True
    if failed:
        raise Unreadable
    return tuple(values)


def each_entry(mapping: Mapping, context: Context, read: Callable[[Entry, Context], T]) -> tuple[T, ...]:
    """Read every entry; report the problems of all of them before raising Unreadable."""
    values: list[T] = []
    failed = False
    for entry in mapping.entries.values():
        try:
            values.append(read(entry, context))
        except Unreadable:
            failed = True
    if failed:
        raise Unreadable
    return tuple(values)


def list_of(
    reader: Reader[T], what: str, *, or_one: bool = False, once: bool = False
) -> Reader[tuple[T, ...]]:
    """Return a reader of a list; `or_one`: a single value stands for a list of one; `once`: none of them twice."""

    def read(node: Node, context: Context) -> tuple[T, ...]:
        if or_one and isinstance(node, Scalar):
            return (reader.read(node, context),)
        items = expect_items(node, context, what)
        if not items:
            raise context.report("KEY03", node, f"{what} is empty")
        if once:
            _refuse_doubles(items, context)
        return each(items, context, reader.read)

    array = {"type": "array", "items": dict(reader.schema), "minItems": 1}
    if once:
        array["uniqueItems"] = True
    schema = {"anyOf": [dict(reader.schema), array]} if or_one else array
    return Reader(read, f"{reader.says}{', or a list of them' if or_one else ', as a list'}", schema)


def _refuse_doubles(items: list[Node], context: Context) -> None:
    """Report a name that stands in its list already: the second would do nothing, and another may be meant."""
    seen: set[str] = set()
    for item in items:
        if not isinstance(item, Scalar):
            continue
        if item.text in seen:
            context.report(
                "VAL09",
                item,
                f'"{item.text}" stands here twice',
                "delete one of them, or write the other name",
            )
        seen.add(item.text)
