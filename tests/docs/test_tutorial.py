"""docs/tutorial.md does what it says: every command in order, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.documents import DOCS, blocks, said

PAGE = DOCS / "tutorial.md"


def test_every_command_of_the_tutorial_shows_what_the_page_shows(tmp_path: Path) -> None:
    here = tmp_path
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    commands = 0
    for block in blocks(PAGE):
        if block.language == "console":
            for command, expected in block.steps:
                if command.startswith("cd "):
                    here /= command[3:]
                    continue
                done = subprocess.run(
                    command,
                    shell=True,
                    cwd=here,
                    env={**kept, "PATH": programs, "COLUMNS": "100"},
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                output = done.stderr + done.stdout
                assert done.returncode == 0, f"line {block.line}: {command}\n{output}"
                for line in expected:
                    assert said(output, line), f"line {block.line}: {command} does not show: {line}\n{output}"
                commands += 1
        elif block.file is not None:
            target = here / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        else:
            pytest.fail(
                f"line {block.line}: a {block.language} block says neither what to type nor where to save it"
            )
    assert commands > 12


def test_what_a_page_shows_can_be_missed() -> None:
    assert said("  10  customers new\n", "10 customers new")
    assert said("plan 1f3a (x)", "plan … (x)")
    assert not said("11 customers", "10 customers new")
