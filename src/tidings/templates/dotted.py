"""Names with a dot that stand for one value: `offer.code` is the value `offer_code`."""

from __future__ import annotations

from collections.abc import Collection

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from tidings.definitions.kinds.offer import OFFER


def dotted(tree: nodes.Template, types: Collection[str]) -> nodes.Template:
    """Return a tree in which `offer.code` is the one value that it stands for, where the message has an offer."""
    found: nodes.Template = _Dotted(types).visit(tree)
    return found


class _Dotted(NodeTransformer):
    """Reads `offer.code` as the name `offer_code`."""

    def __init__(self, types: Collection[str]) -> None:
        self._types = types

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802
        """Replace a value of the offer that there is."""
        name = f"{OFFER}_{node.attr}"
        if isinstance(node.node, nodes.Name) and node.node.name == OFFER and name in self._types:
            return nodes.Name(name, "load", lineno=node.lineno)
        return self.generic_visit(node)
