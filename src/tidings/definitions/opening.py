"""The first key of a file says its kind, and its folder says which kind it should be."""

from __future__ import annotations

from tidings.definitions.context import Context, Unreadable
from tidings.definitions.nodes import Mapping, Node
from tidings.definitions.schema import expect_mapping

FOLDERS = {
    "segment": "segments/",
    "campaign": "campaigns/",
    "flow": "flows/",
    "channel": "channels/",
    "import": "config/imports/",
    "workspace": "config/workspace.yaml",
    "policies": "config/policies.yaml",
    "attributes": "config/attributes.yaml",
    "events": "config/events.yaml",
    "staff": "config/staff.yaml",
    "holidays": "config/holidays.yaml",
    "goals": "config/goals.yaml",
    "attribution": "config/attribution.yaml",
    "scores": "config/scores.yaml",
}
_LATER = ("occasion", "survey")
# Files in which each key but the first is a name, so that a missing title would leave a name in its place.
_OF_NAMES = ("attributes", "events", "staff", "goals", "scores")


def check_first_key(node: Node, kind: str, context: Context) -> None:
    """Report a file of another kind; the reader goes on where the file is at least of the right kind."""
    if isinstance(node, Mapping) and not node.entries:
        raise context.report(
            "FIL09", node, "this file says nothing", f"its first line would be `{kind}: TITLE`"
        )
    mapping = expect_mapping(node, context, f"a file of kind {kind}")
    first = next(iter(mapping.entries.values())).key
    if first.text == kind:
        return
    if kind in mapping.entries:
        context.report(
            "KEY05",
            mapping.entries[kind].key,
            f'"{kind}" stands first in its file',
            "move this line to line 1",
        )
        return
    if first.text in _LATER:
        raise context.report(
            "KEY04", first, f'"{first.text}" definitions are not supported by this version of tidings'
        )
    if first.text in FOLDERS:
        raise context.report(
            "KEY05", first, f'a file here starts with "{kind}", and this one is of kind {first.text}',
            f"it belongs in {FOLDERS[first.text]}",
        )  # fmt: skip
    if kind in _OF_NAMES:
        context.report("KEY05", first, f'the first line of this file is its title: "{kind}: TITLE"')
        raise Unreadable
