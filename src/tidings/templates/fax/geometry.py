"""The measures of a fax page: one scan line of 1,728 picture elements, lines by resolution and paper (ITU-T T.4)."""

from __future__ import annotations

from dataclasses import dataclass

# T.4: 1,728 picture elements on a scan line of 215 mm, about 204 to the inch.
WIDTH = 1728
ACROSS = 204
# Lines to the inch: 7.7 and 3.85 lines/mm.
LINES = {"fine": 196, "standard": 98}
# Height of the paper in inches.
PAPERS = {"a4": 297 / 25.4, "letter": 11.0}
MAX_PAGES = 10
# The engine draws at most 65,535 picture elements of height; twenty pages of the longest paper stay well below.
MOST_PAGES = 20


@dataclass(frozen=True, slots=True)
class Page:
    """How a page is drawn: resolution `fine` (204 by 196 to the inch) or `standard` (204 by 98), paper `a4` or `letter`."""

    resolution: str = "fine"
    paper: str = "a4"

    def __post_init__(self) -> None:
        if self.resolution not in LINES:
            raise ValueError(f'a fax page is "fine" or "standard", not "{self.resolution}"')
        if self.paper not in PAPERS:
            raise ValueError(f'the paper of a fax is "a4" or "letter", not "{self.paper}"')

    @property
    def lines(self) -> int:
        """Lines to the inch."""
        return LINES[self.resolution]

    @property
    def height(self) -> int:
        """Lines of the whole page."""
        return round(PAPERS[self.paper] * self.lines)

    @property
    def top(self) -> int:
        """Lines above the content: the header strip and some air."""
        return round(0.64 * self.lines)

    @property
    def bottom(self) -> int:
        """Lines left white under the content: machines cannot print to the edge of the sheet."""
        return round(0.4 * self.lines)

    @property
    def body(self) -> int:
        """Lines that content may take."""
        return self.height - self.top - self.bottom
