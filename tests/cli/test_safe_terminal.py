"""Nothing that was written by others steers a terminal; colours and bars of our own do."""

from __future__ import annotations

import os
import pty
from io import StringIO

import pytest
from rich.console import Console

from tidings.cli.safe_terminal import guard, shown


@pytest.mark.parametrize(
    ("written", "safe"),
    [
        ("\x1b]0;renamed\x07", "?]0;renamed?"),
        ("\x1b]52;c;cm0gLXJm\x1b\\", "?]52;c;cm0gLXJm?\\"),
        ("\x1b[2K\x1b[1Aover", "?[2K?[1Aover"),
        ("\x1b[8mhidden", "?[8mhidden"),
        ("\x1b[1;8mhidden", "?[1;8mhidden"),
        ("\x9b31m", "?31m"),
        ("paid\rnot paid", "paid?not paid"),
        ("a\u202egnp.exe", "a?gnp.exe"),
        ("\b\b\x7f", "???"),
        ("\x1b", "?"),
    ],
)
def test_what_steers_is_shown_as_a_question_mark(written: str, safe: str) -> None:
    assert shown(written) == safe


@pytest.mark.parametrize(
    "plain", ["Åsa\t王小明\r\nЖирный 🌷\n", "\x1b[1mbold\x1b[0m \x1b[38;5;12mblue\x1b[m", "\u200f"]
)
def test_texts_and_colours_stay(plain: str) -> None:
    assert shown(plain) == plain


def test_bars_move_the_cursor_on_stderr_alone() -> None:
    moved = "\r\x1b[2K\x1b[1A\x1b[?25l50 %"
    assert shown(moved, bars=True) == moved
    assert shown("\x1b]0;renamed\x07", bars=True) == "?]0;renamed?"


def test_a_terminal_is_guarded_and_a_pipe_is_not() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        guard(terminal)
        Console(file=terminal, force_terminal=True, markup=False).print("E-\x1b]0;x\x07RED", style="bold")
        terminal.flush()
        screen = os.read(ours, 1000).decode()
    os.close(ours)
    assert "\x1b]" not in screen and "\x1b[1m" in screen and "RED" in screen
    pipe = StringIO()
    guard(pipe)
    pipe.write("\x1b]0;x\x07")
    assert pipe.getvalue() == "\x1b]0;x\x07"
