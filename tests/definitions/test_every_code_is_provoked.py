"""Each code has an example that provokes it, and nothing reports a code that is not registered."""

from __future__ import annotations

import os
import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from support.workspaces import FILES, problems_of, shown, small_workspace, write
from tidings.channels import codes as of_channels
from tidings.channels import registry
from tidings.cli.check import workspace_problems
from tidings.cli.code_pages import PROBLEMS, provoked
from tidings.customers.refusals import REFUSALS
from tidings.definitions import codes as of_definitions
from tidings.definitions.codes import CODES, Code
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.loader import check, load
from tidings.definitions.sample import example_of
from tidings.errors import DefinitionErrors
from tidings.segments import codes as of_segments
from tidings.templates import codes as of_templates
from tidings.templates.checking import check_messages

SOURCES = Path(__file__).resolve().parents[2] / "src" / "tidings"
SHOWN = [code for code in CODES.values() if code.example and code.code != "FIL10"]
LATER = [code for code in (*of_channels.CODES.values(), *of_templates.CODES.values()) if code.example]


@pytest.mark.parametrize("code", SHOWN, ids=lambda code: code.code)
def test_the_example_of_a_code_provokes_it_and_nothing_else(code: Code, tmp_path: Path) -> None:
    problems = check(write(tmp_path, dict(example_of(code))))[1]
    assert {problem.code for problem in problems} == {code.code}
    assert all(problem.at.path == code.path for problem in problems)
    assert {problem.severity for problem in problems} == {code.severity}


@pytest.mark.parametrize("code", LATER, ids=lambda code: code.code)
def test_the_example_of_a_channel_or_message_provokes_its_code_and_nothing_else(code: Code) -> None:
    """A warning of the definitions about the same place may stand beside it."""
    problems = [one for one in provoked(code) if one.severity == code.severity]
    assert {problem.code for problem in problems} == {code.code}
    folder = code.path.rpartition("/")[0]
    assert all(one.at.path == code.path or one.at.path.startswith(folder) for one in problems)


def test_the_small_workspace_around_the_examples_has_no_problem(tmp_path: Path) -> None:
    assert workspace_problems(small_workspace(tmp_path)) == []


def test_a_large_template_is_said(tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {"templates/welcome/email.en.txt": "Subject: Hi\n\n" + "x" * 200_001})
    assert [one.code for one in check_messages(load(root))] == ["TPL03"]


def test_the_unset_variable_of_a_secret_is_said_when_sending_and_not_when_checking(tmp_path: Path) -> None:
    text = FILES["channels/email.yaml"] + "secrets: {password: TIDINGS_SMTP_PASSWORD}\n"
    channel = load(small_workspace(tmp_path, {"channels/email.yaml": text})).channels["email"]
    assert registry.check_channel(channel) == []
    with pytest.raises(DefinitionErrors) as raised:
        registry.load_adapter(channel, variables={})
    assert [(one.code, one.at.line, one.at.column) for one in raised.value.problems] == [("CHN05", 5, 11)]


def test_an_installed_adapter_that_cannot_be_loaded_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("pigeon", "tidings.channels.pigeons:Pigeon", registry.GROUP)
    monkeypatch.setattr(registry, "_entries", lambda: {"pigeon": broken})
    (problem,) = registry.check_channel(Channel("post", "Post", "channels/post.yaml", "pigeon"))
    assert problem.code == "CHN06"
    assert "No module named 'tidings.channels.pigeons'" in problem.message


def test_no_sentence_about_a_channel_repeats_a_secret(tmp_path: Path) -> None:
    channel = Channel(
        "email", "E-mail", "channels/email.yaml", "smtp",
        options=(("host", "h"), ("password", "correct-horse")), secrets=(("username", "battery staple"),),
    )  # fmt: skip
    problems = registry.check_channel(channel)
    assert [one.code for one in problems] == ["SEC01", "SEC01"]
    assert "horse" not in str(problems) and "staple" not in str(problems)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    root = small_workspace(tmp_path)
    (root / "segments" / "gone.yaml").symlink_to(root / "nowhere.yaml")
    definitions, problems = check(root)
    assert definitions is None
    assert [problem.render() for problem in problems] == [
        "segments/gone.yaml:1:1: this file cannot be read: there is no such file  [FIL01]\n  check its name and rights"
    ]


def test_a_file_name_that_is_no_text_is_said_escaped(tmp_path: Path) -> None:
    root = small_workspace(tmp_path)
    with open(os.fsencode(root / "segments") + b"/n\xe4me.yaml", "w") as handle:
        handle.write("segment: S\n")
    (problem,) = check(root)[1]
    assert (problem.code, problem.at.path) == ("FIL05", "segments/n\\udce4me.yaml")
    problem.render().encode()


def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small_workspace(tmp_path)

    def refused(folder: Path, pattern: str) -> None:
        raise PermissionError(13, "Permission denied", str(root / "segments"))

    monkeypatch.setattr(Path, "rglob", refused)
    definitions, problems = check(root)
    assert definitions is None
    assert [one.message for one in problems] == ["this folder cannot be read: permission denied"]
    assert problems[0].at.path == "segments"


def test_a_large_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    text = shown(tmp_path, "segments/large.yaml", "# " + "x" * 1_500_000)
    assert text.startswith("segments/large.yaml:1:1: this file is 1.5 MB; 1 MB is the most  [FIL03]")


def test_the_problems_of_one_file_stop_at_two_hundred(tmp_path: Path) -> None:
    code = CODES["FIL10"]
    problems = problems_of(tmp_path, {code.path: code.example})
    assert len(problems) == 201
    assert {problem.code for problem in problems} == {"REF04", "FIL10"}


def test_a_missing_policies_file_is_said(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, {"config/policies.yaml": None})
    assert [(one.code, one.at.path) for one in problems] == [("FIL08", "config/policies.yaml")]


def test_a_folder_that_is_no_workspace_is_said_in_one_sentence(tmp_path: Path) -> None:
    definitions, problems = check(tmp_path)
    assert definitions is None
    assert [(one.code, one.at.path) for one in problems] == [("FIL08", "config/workspace.yaml")]


def test_every_code_in_the_sources_is_registered_and_every_registered_code_is_used() -> None:
    used = set()
    for path in SOURCES.rglob("*.py"):
        if path.name != "codes.py":
            used |= set(re.findall(r'"([A-Z]{3}\d\d)"', path.read_text()))
    used |= set(re.findall(r'Problem\("([a-z-]+)"', (SOURCES / "segments" / "scope.py").read_text()))
    assert used == set(PROBLEMS)
    assert len(PROBLEMS) == sum(
        len(registry.CODES) for registry in (of_definitions, of_segments, of_channels, of_templates)
    )


def test_a_problem_is_never_made_with_another_word_for_a_code() -> None:
    made = re.compile(
        r'\b(?:Problem|problem|complain|report|warn|Refused|_warning)\(\s*(?:[\w.]+,\s*)*"([^"]*)"'
    )
    for path in SOURCES.rglob("*.py"):
        for word in made.findall(path.read_text()):
            if re.fullmatch(r"[a-z]+([_-][a-z]+)+|[A-Z]{3}\d\d", word):
                assert word in PROBLEMS or word in REFUSALS, (path.name, word)
