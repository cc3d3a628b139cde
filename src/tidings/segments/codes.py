"""Codes of the problems that show only when a segment becomes a statement."""

from __future__ import annotations

from tidings.definitions.codes import Code

_ALL = (
    Code("segment-cannot-compile", "A condition that the vocabulary does not fit", "The definition was read against another vocabulary than the one it is counted with.", "segments/new_people.yaml", "", "Check the workspace again; then mend the condition or the vocabulary."),
)  # fmt: skip
CODES: dict[str, Code] = {code.code: code for code in _ALL}
