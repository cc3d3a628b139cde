"""What can still be read of a config/workspace.yaml that is broken: enough to find the store on a bad day, and nothing to send by.

Each key of the file is read by itself, so that neither a wrong value nor a line that is no YAML hides the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tidings.definitions.composing import compose
from tidings.definitions.context import Context, TooManyProblems, Unreadable, Vocabulary
from tidings.definitions.encodings import utf_16
from tidings.definitions.files import WORKSPACE_FILE
from tidings.definitions.kinds.rules import Environment, Workspace
from tidings.definitions.nodes import Mapping, Node, Scalar
from tidings.definitions.readers.workspace import DEVELOPMENT_STORE, ENVIRONMENT_KEYS, KEYS
from tidings.definitions.schema import Keys
from tidings.definitions.source import MAX_BYTES, SourceFile

_TOP = re.compile(r"^[A-Za-z\"'{]", re.MULTILINE)


def salvaged(content: bytes) -> Workspace:
    """Return the workspace as far as its file says it; `id` and `salt` are empty where they cannot be read.

    No environment is added: a store that nobody named must never stand for one that is hidden by a slip.
    """
    text = _text(content[: MAX_BYTES + 1])
    values: dict[str, Any] = {}
    environments: tuple[Environment, ...] = ()
    for root, context in _pieces(text):
        environments += _environments(root, context)
        for name, value in _readable(KEYS, root, context).items():
            values.setdefault(name, value)
    return Workspace(
        id=values.get("id", ""),
        title=values.get("workspace", ""),
        zone=values.get("zone", "UTC"),
        salt=values.get("salt", ""),
        currency=values.get("currency", "EUR"),
        locale=values.get("locale", "en"),
        environments=environments,
    )


def _text(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    found = utf_16(content)
    return content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace") if found is None else found.text


def _pieces(text: str) -> Iterator[tuple[Mapping, Context]]:
    """Give what stands under each key of the first level, read as a file of its own."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    starts = [found.start() for found in _TOP.finditer(plain)]
    for start, end in zip(starts, [*starts[1:], len(plain)], strict=True):
        file = SourceFile(WORKSPACE_FILE, plain[start:end].encode("utf-8", "replace"))
        if file.decode():
            continue
        root, _ = compose(file)
        if isinstance(root, Mapping):
            yield root, Context(file, Vocabulary(), [])


def _readable(keys: Keys, mapping: Mapping, context: Context) -> dict[str, Any]:
    """Return the values that can be read; what is wrong with the others is said where the whole file is read."""
    values = {}
    for key in keys.keys:
        entry = mapping.entries.get(key.name)
        if entry is None:
            continue
        try:
            values[key.name] = key.reader.read(entry.value, context)
        except (Unreadable, TooManyProblems):
            continue
    return values


def _environments(root: Mapping, context: Context) -> tuple[Environment, ...]:
    entry = root.entries.get("environments")
    if entry is None or not isinstance(entry.value, Mapping):
        return ()
    found = (_environment(name, one.value, context) for name, one in entry.value.entries.items())
    return tuple(one for one in found if one is not None)


def _environment(name: str, node: Node, context: Context) -> Environment | None:
    """Return an environment whose store is told, and told once."""
    if name == "development" and isinstance(node, Scalar) and node.value is None:
        return Environment(name, DEVELOPMENT_STORE, outbox=True)
    values = _readable(ENVIRONMENT_KEYS, node, context) if isinstance(node, Mapping) else {}
    store, store_from = values.get("store", ""), values.get("store_from", "")
    if bool(store) == bool(store_from):
        return None
    return Environment(name, store, store_from, values.get("outbox", False))
