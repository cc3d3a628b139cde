"""What every command has in common: help with examples, one spelling of options, exit codes, quick starts."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import click
import pytest

from support.command_line import Shop
from tidings.cli.main import COMMANDS, app, execute

HEAVY = ("prefect", "sqlalchemy", "scipy", "sklearn", "numpy", "fastapi", "uvicorn")


def every_command() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    with click.Context(app, info_name="tidings") as context:
        for name in COMMANDS:
            command = app.get_command(context, name)
            assert command is not None
            found[name] = command
            if isinstance(command, click.Group):
                found |= {f"{name} {inner}": one for inner, one in command.commands.items()}
    return found


EVERY = every_command()


def examples_of(name: str) -> list[str]:
    text = f"{EVERY[name].epilog or ''}\n{EVERY[name].help or ''}"
    lines = [line.strip().removeprefix("Example:").strip() for line in text.splitlines()]
    return [re.split(" # | [|] |   +[A-Z]", line)[0] for line in lines if line.startswith("tidings ")]


@pytest.mark.parametrize("name", EVERY)
def test_the_help_has_an_example_that_the_command_understands(name: str) -> None:
    examples = examples_of(name)
    assert examples, f"tidings {name} --help shows no example"
    for example in examples:
        words = shlex.split(example)[1:]
        assert words[0] == name.split(maxsplit=1)[0], example
        EVERY[words[0]].make_context(
            words[0], words[1:], parent=click.Context(app, info_name="tidings", **app.context_settings)
        )


@pytest.mark.parametrize("name", EVERY)
def test_the_help_fits_into_80_columns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([*name.split(), "--help"]) == 0
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 80


@pytest.mark.parametrize("name", EVERY)
def test_options_of_one_meaning_have_one_spelling(name: str) -> None:
    spelled = {"--environment": {"-e"}, "--yes": {"-y"}, "--json": set()}
    for parameter in EVERY[name].params:
        long = set(parameter.opts) & set(spelled)
        if long:
            (option,) = long
            assert set(parameter.opts) == {option, *spelled[option]}, name
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help or name == "demo", f"tidings {name} {parameter.opts[0]} is not explained"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run"], 'error: missing argument "NAME"'),
        (["segmnt"], 'error: there is no command "segmnt". Did you mean "segment"?'),
        (["plan", "--enviroment", "x"], "error: no such option"),
        (["new", "thing", "x"], 'error: invalid value for "KIND": "thing" is not one of'),
        (["in-doubt", "resolve", "x", "--sent"], 'error: invalid value for "[MESSAGE]...": "x"'),
        (["import", "a.csv"], 'error: missing option "--as"'),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(sentence)
    assert len(err.splitlines()) <= 3


def test_no_command_imports_prefect_and_check_imports_nothing_heavy(sent_shop: Shop) -> None:
    # The first check of a workspace draws its faxes; what it found is remembered.
    sent_shop.apart.ok("check")
    commands = [
        ["--help"],
        ["check"],
        ["segment", "lapsed_buyers"],
        ["plan", "spring_winback"],
        ["preview", "spring_winback", "--customer", "C-1", "--text"],
        ["run", "spring_winback", "--yes"],
        ["in-doubt"],
        ["verify"],
        ["report", "spring_winback"],
        ["migrate"],
        *([name, "--help"] for name in COMMANDS),
    ]
    # One process runs them in this order and says after each which heavy libraries it has.
    code = (
        "import sys, json\nfrom tidings.cli.main import execute\n"
        f"for words in {commands!r}:\n"
        "    assert execute(words) == 0, words\n"
        f"    print(json.dumps([words[0], [one for one in {HEAVY!r} if one in sys.modules]]), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=sent_shop.root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    import json

    loaded = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("[")]
    assert len(loaded) == len(commands)
    assert loaded[0] == ["--help", []]
    assert loaded[1] == ["check", []]
    after_plan = dict(loaded[:4])["plan"]
    assert set(after_plan) == {"sqlalchemy"}, "`tidings plan` waits for no library of statistics"
    assert all("prefect" not in heavy for _, heavy in loaded)
