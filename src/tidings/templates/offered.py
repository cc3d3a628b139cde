"""Whether a message shows the code that its offer gives: one that nobody sees is given away for nothing."""

from __future__ import annotations

from collections.abc import Collection

from tidings.definitions.composing import compose
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.offer import CODE
from tidings.definitions.nodes import Mapping, Node
from tidings.definitions.source import SourceFile
from tidings.definitions.workspace import Definitions
from tidings.errors import Position, Problem


def unshown_code(
    definitions: Definitions, campaign: Campaign, what: str, locale: str, named: Collection[str]
) -> list[Problem]:
    """Return a warning at `codes` where a message does not name the code; `named` are the values that it reads.

    `what` is the kind of message in words. A step of a flow has `FLOW.STEP` as its id.
    """
    if campaign.offer is None or not campaign.offer.pool or CODE in named:
        return []
    step = campaign.id.partition(".")[2]
    keys = ("steps", step, "offer", "codes") if step else ("offer", "codes")
    file = SourceFile(campaign.path, definitions.files.get(campaign.path, b""))
    node: Node | None = None if file.decode() else compose(file)[0]
    for key in keys:
        entry = node.entries.get(key) if isinstance(node, Mapping) else None
        node = entry.value if entry is not None else None
    at = Position(campaign.path)
    if node is not None:
        at = Position(campaign.path, node.place.line, node.place.column, node.place.length)
    sentence = f"the {what} in {locale} does not show the code that it gives"
    hint = "write {{ offer.code }} in templates/" + campaign.send
    return [Problem("TPL41", sentence, at, hint, "warning", file.excerpt(at.line))]
