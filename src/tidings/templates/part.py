"""One part of a message as a compiled template: subject, preheader, text, HTML, or the whole of an SMS or a fax."""

from __future__ import annotations

from typing import Any

from jinja2.environment import Template

from tidings.templates.chains import Others
from tidings.templates.slots import standing_text
from tidings.templates.values import RenderError

MAX_PART = 256 * 1024


class Part:
    """One compiled part; rendering stops at the output cap.

    `used`: the names that it reads. `members`: those that it reads of each member of `group`. `loops`: how many stand in
    one another. `others`: what stands where values are unknown. `standing`: the texts that it writes as they stand in it.
    `chooses`: it has an `if` or a loop, so that what it writes for one need not be what it writes for another.
    """

    __slots__ = (
        "_context",
        "_kind",
        "_root",
        "chooses",
        "loops",
        "members",
        "name",
        "others",
        "standing",
        "used",
    )

    def __init__(
        self,
        name: str,
        template: Template,
        used: frozenset[str],
        loops: int = 0,
        others: frozenset[Others] = frozenset(),
        members: frozenset[str] = frozenset(),
        chooses: bool = False,
    ) -> None:
        self.name = name
        self.members = members
        self.used = used
        self.loops = loops
        self.chooses = chooses
        self.others = others
        self.standing = standing_text(template.root_render_func.__code__)
        self._root = template.root_render_func
        # Making a context costs as much as filling a short part with it, and all but the values is always the same.
        empty = template.new_context({}, shared=True)
        self._kind, self._context = type(empty), vars(empty)

    def render(self, values: dict[str, Any]) -> str:
        """Return the part for one recipient's values; RenderError when it grows over 256 KB."""
        return "".join(self.pieces(values))

    def pieces(self, values: dict[str, Any]) -> list[str]:
        """Return the part as `render` does, in the pieces that the template wrote."""
        context = self._kind.__new__(self._kind)
        vars(context).update(self._context)
        context.parent, context.vars, context.exported_vars = values, {}, set()
        if not self.loops:
            # Each piece once at most: there is nothing to be stopped between them.
            pieces = list(self._root(context))
            if sum(map(len, pieces)) > MAX_PART:
                raise RenderError(self.name, f"grows over {MAX_PART // 1024} KB")
            return pieces
        pieces, size = [], 0
        for piece in self._root(context):
            size += len(piece)
            if size > MAX_PART:
                raise RenderError(self.name, f"grows over {MAX_PART // 1024} KB")
            pieces.append(piece)
        return pieces
