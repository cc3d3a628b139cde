"""One part of a message as a compiled template: subject, preheader, text, HTML, or the whole of an SMS or a fax."""

from __future__ import annotations

from typing import Any

from jinja2.environment import Template

from tidings.templates.chains import Others
from tidings.templates.values import RenderError

MAX_PART = 256 * 1024


class Part:
    """One compiled part; rendering stops at the output cap.

    `used`: the names that it reads. `members`: those that it reads of each member of `group`. `loops`: how many stand in
    one another. `others`: what stands where values are unknown.
    """

    __slots__ = ("_context", "_root", "loops", "members", "name", "others", "used")

    def __init__(
        self,
        name: str,
        template: Template,
        used: frozenset[str],
        loops: int = 0,
        others: frozenset[Others] = frozenset(),
        members: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.members = members
        self.used = used
        self.loops = loops
        self.others = others
        self._root = template.root_render_func
        self._context = template.new_context

    def render(self, values: dict[str, Any]) -> str:
        """Return the part for one recipient's values; RenderError when it grows over 256 KB."""
        pieces: list[str] = []
        size = 0
        for piece in self._root(self._context(values, shared=True)):
            size += len(piece)
            if size > MAX_PART:
                raise RenderError(self.name, f"grows over {MAX_PART // 1024} KB")
            pieces.append(piece)
        return "".join(pieces)
