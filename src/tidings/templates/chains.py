"""Which words stand where a value is unknown: the rows of `{{ first_name or full_name or "friend" }}` in a template."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from jinja2 import nodes


class Others(NamedTuple):
    """One row: the values in their order and the words after them, None where the last is a value too.

    `empty`: the words stand for a nought and an empty list as well.
    """

    values: tuple[str, ...]
    words: str | None
    empty: bool = True


def others_in(node: nodes.Node, values: Collection[str]) -> Iterator[Others]:
    """Yield the rows of one printed expression; `values` are the names that stand for a customer's values."""
    found = [*([node] if isinstance(node, nodes.Or) else []), *node.find_all(nodes.Or)]
    inner = {id(one.left) for one in found}
    for one in found:
        if id(one) in inner:
            continue
        *first, last = _operands(one)
        names = [_only_name(operand) for operand in first]
        known = [name for name in names if name in values]
        if len(known) < len(names) or not known:
            continue
        if isinstance(last, nodes.Const):
            yield Others(tuple(known), str(last.value))
        elif (name := _only_name(last)) in values:
            yield Others((*known, name), None)
        else:
            yield Others(tuple(known), name)

    given = [*([node] if isinstance(node, nodes.Filter) else []), *node.find_all(nodes.Filter)]
    for asked in given:
        name = _only_name(asked.node) if asked.name == "default" and asked.node is not None else ""
        if name in values and asked.args and isinstance(asked.args[0], nodes.Const):
            yield Others((name,), str(asked.args[0].value), empty=False)


def _operands(node: nodes.Expr) -> list[nodes.Expr]:
    return [*_operands(node.left), node.right] if isinstance(node, nodes.Or) else [node]


def _only_name(node: nodes.Node) -> str:
    """Return the one name that an operand reads, empty where there are none or several."""
    names = {one.name for one in node.find_all(nodes.Name)}
    if isinstance(node, nodes.Name):
        names.add(node.name)
    return names.pop() if len(names) == 1 else ""
