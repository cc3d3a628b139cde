"""Commands that ask first, and what the help and the reference say about them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest

from support.workspaces import small_workspace
from tidings.cli.docs import commands_page
from tidings.cli.init import command as init_command
from tidings.cli.main import execute
from tidings.config.starter import starter_root

MIGRATE = "import sys; from tidings.cli.main import execute; sys.exit(execute(['migrate']))"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TIDINGS_WORKSPACE", "TIDINGS_ENVIRONMENT", "TIDINGS_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(small_workspace(tmp_path))
    return tmp_path


def test_migrate_with_nobody_to_ask_names_the_option(shop: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MIGRATE], cwd=shop, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 2
    assert "make a new store" in done.stdout
    assert done.stderr == (
        "error: this would change the store and there is nobody to ask\n"
        "  add --yes once you have read what would change\n"
    )
    assert not (shop / ".tidings" / "development.sqlite").exists()


def test_migrate_with_nobody_to_ask_goes_on_when_told_or_when_nothing_is_to_do(
    shop: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert execute(["migrate", "--yes"]) == 0
    assert execute(["migrate"]) == 0
    assert capfd.readouterr().out.rstrip().endswith("is up to date")


@pytest.mark.parametrize(("answer", "made"), [(b"n\n", False), (b"y\n", True)])
def test_migrate_asks_at_a_terminal(shop: Path, answer: bytes, made: bool) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    done = subprocess.run(
        [sys.executable, "-c", MIGRATE], cwd=shop, stdin=theirs, capture_output=True, text=True, check=False
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert "Do this?" in done.stdout + done.stderr
    assert (shop / ".tidings" / "development.sqlite").exists() is made


def test_control_c_at_the_question_is_exit_code_130(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> bool:
        raise click.Abort

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(click, "confirm", interrupted)
    assert execute(["migrate"]) == 130
    assert not (shop / ".tidings" / "development.sqlite").exists()


def test_the_page_of_commands_says_every_exit_code_and_each_usage_once() -> None:
    page = commands_page()
    assert "3 refused by a policy · 130 interrupted with Ctrl-C" in page
    assert "Usage: tidings in-doubt list [OPTIONS]" in page
    assert "in-doubt in-doubt" not in page


def test_the_help_of_init_counts_the_languages_that_it_writes() -> None:
    messages = (starter_root() / "templates").rglob("email.*.txt")
    languages = {path.name.split(".")[1] for path in messages}
    assert init_command.help is not None
    assert len(languages) == 4
    assert "messages in four languages" in " ".join(init_command.help.split())
