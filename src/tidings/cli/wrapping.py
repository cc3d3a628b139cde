"""Lines of text for a terminal: wrapped between words, with a hanging indent, signs of double width counted as two."""

from __future__ import annotations

import shutil
import sys

# What a line is wrapped to where nothing says how wide the terminal is, and the widest that reads well.
_PLAIN, _WIDEST = 100, 120


def width_of_terminal() -> int:
    """Return how many columns to write: those of the terminal, within reason; 100 into a file or a pipe."""
    wide = shutil.get_terminal_size((_PLAIN, 24)).columns
    return max(min(wide, _WIDEST if sys.stdout.isatty() else _PLAIN), 40)


def cells(text: str) -> int:
    """Return how many columns a text takes."""
    from rich.cells import cell_len

    return cell_len(text)


def padded(text: str, width: int) -> str:
    """Return a text filled up with blanks to so many columns."""
    return text + " " * max(width - cells(text), 0)


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text of which none is wider; a word that is wider is cut."""
    lines, line, used = [], "", 0
    for word in _words(text):
        length = cells(word)
        if line and used + length > width:
            lines.append(line.rstrip())
            line, used = "", 0
            word, length = word.lstrip(), cells(word.lstrip())
        while length > width:
            head = _head(word, width)
            lines.append(head)
            word = word[len(head) :]
            length = cells(word)
        line, used = line + word, used + length
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def hanging(first: str, text: str, width: int) -> list[str]:
    """Return a text behind what begins its first line, the other lines below the text."""
    indent = cells(first)
    lines = wrapped(text, max(width - indent, 20))
    return [first + lines[0], *(" " * indent + line for line in lines[1:])]


def _words(text: str) -> list[str]:
    """Return the pieces between which a line may end: words with the blank before them, and each sign of a CJK script."""
    found: list[str] = []
    for number, word in enumerate(text.split(" ")):
        piece = " " if number else ""
        for sign in word:
            wide = cells(sign) > 1
            if wide and piece.strip():
                found.append(piece)
                piece = ""
            piece += sign
            # Closing signs never begin a line.
            if wide and sign not in "“「『（《":
                found.append(piece)
                piece = ""
        if piece:
            found.append(piece)
    return _closed(found)


def _closed(pieces: list[str]) -> list[str]:
    found: list[str] = []
    for piece in pieces:
        if found and piece[:1] in "”」』）》，。、：；！？,.;:!?)":
            found[-1] += piece
        else:
            found.append(piece)
    return found


def _head(word: str, width: int) -> str:
    for end in range(len(word), 0, -1):
        if cells(word[:end]) <= width:
            return word[:end]
    return word[:1]
