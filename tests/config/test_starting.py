"""`tidings init`, `tidings new` and `tidings check` as a marketer meets them."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.workspaces import small_workspace
from tidings.cli.check import command as check_command
from tidings.cli.main import execute
from tidings.config.starter import dated, identifier, personalised, starter_root
from tidings.definitions.files import list_files
from tidings.definitions.loader import check, load
from tidings.definitions.readers.later import deciding


def test_a_started_workspace_is_sound_and_has_its_own_salt(tmp_path: Path) -> None:
    for name in ("my-shop", "商店: 2"):
        assert execute(["init", str(tmp_path / name)]) == 0
        definitions, problems = check(tmp_path / name)
        assert problems == []
        assert definitions is not None
    first, second = load(tmp_path / "my-shop").workspace, load(tmp_path / "商店: 2").workspace
    assert (first.id, first.title) == ("my-shop", "My shop")
    assert (second.id, second.title) == ("shop", "商店: 2")
    assert first.salt != second.salt and len(first.salt) == 32
    assert ".tidings/" in (tmp_path / "my-shop" / ".gitignore").read_text()


def test_every_campaign_of_a_started_workspace_runs_with_its_own_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "shop"
    assert execute(["init", str(root)]) == 0
    monkeypatch.chdir(root)
    assert execute(["schemas", "--check"]) == 0
    policies = root / "config" / "policies.yaml"
    rules = policies.read_text()
    # Four campaigns on one day, at whatever hour: under the cap, and at night, some of it would have to wait.
    for key in ("\nquiet: ", "\n    cap: "):
        assert key in rules
        rules = rules.replace(key, f"\n#{key[1:]}")
    policies.write_text(rules)
    # The salt of its own draws the one who has a birthday into the holdout in one workspace of ten.
    workspace = root / "config" / "workspace.yaml"
    workspace.write_text(re.sub(r"(?m)^salt: .*$", "salt: drawn-for-the-test", workspace.read_text()))
    # In the afternoon the next birthdays would be those of tomorrow, and the one of the examples is today.
    birthday = root / "campaigns" / "birthday.yaml"
    assert "day at 09:30" in birthday.read_text()
    birthday.write_text(birthday.read_text().replace("day at 09:30", "day at 23:59"))
    for name in ("customers", "orders"):
        assert execute(["import", f"config/imports/example_{name}.csv", "--as", name]) == 0
    campaigns = load(root).campaigns
    assert sorted(campaigns) == ["birthday", "dealer_autumn", "newsletter", "spring_winback"]
    sent = 0
    for name, campaign in campaigns.items():
        assert deciding(campaign.acts_later) == ()
        capsys.readouterr()
        assert execute(["plan", name, "--json"]) == 0
        plan = json.loads(capsys.readouterr().out)
        assert execute(["run", name, "--yes"]) == 0, name
        said = capsys.readouterr().out
        if campaign.recurrence is not None:
            assert plan["recurring"] and plan["audience"] > 0 and "It starts by itself" in said
            assert execute(["preview", name, "--customer", "C-1", "--text"]) == 0
            continue
        assert "accepted" in said
        now = len(list((root / ".tidings" / "outbox").iterdir()))
        assert plan["audience"] > 0 and now > sent, name
        sent = now
    kinds = {path.suffix for path in (root / ".tidings" / "outbox").iterdir()}
    assert {".eml", ".tif"} <= kinds


@pytest.mark.parametrize(
    ("today", "wanted"),
    [
        (date(2026, 11, 21), "C-1,1971-11-21,2026-06-20"),
        (date(2028, 2, 29), "C-1,1971-02-28,2027-09-28"),
        (date(2031, 3, 1), "C-1,1971-03-01,2030-09-28"),
    ],
)
def test_the_examples_are_as_old_as_when_they_were_written(today: date, wanted: str) -> None:
    assert dated("C-1,1971-11-21,2026-06-20", today) == wanted
    assert dated("C-1,1984-03-02", today) == "C-1,1984-03-02"
    day, month, year = reversed(wanted[-10:].split("-"))
    assert dated("20.06.2026;весна_сад;1,20", today) == f"{day}.{month}.{year};весна_сад;1,20"


def test_a_new_definition_names_its_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert execute(["init", str(tmp_path / "shop")]) == 0
    monkeypatch.chdir(tmp_path / "shop")
    for kind, folder in (("segment", "segments"), ("import", "config/imports")):
        assert execute(["new", kind, "brand_new"]) == 0
        path = tmp_path / "shop" / folder / "brand_new.yaml"
        line = path.read_text(encoding="utf-8").splitlines()[0]
        assert (path.parent / line.partition("$schema=")[2]).resolve().is_file()


def test_every_file_of_the_starter_names_its_schema() -> None:
    listing = list_files(starter_root(), [])
    paths = [*listing.config, *(one for folder in listing.folders.values() for one in folder.values())]
    assert len(paths) > 20
    for path in paths:
        line = (starter_root() / path).read_text(encoding="utf-8").splitlines()[0]
        assert line.startswith("# yaml-language-server: $schema="), path
        assert ((starter_root() / path).parent / line.partition("=")[2]).resolve().is_file(), path


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    assert execute(["init", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


@pytest.mark.parametrize(
    ("folder", "wanted"), [("My Shop!", "my-shop"), ("Café", "cafe"), ("2027", "shop"), ("магазин", "shop")]
)
def test_the_id_comes_from_the_folder(folder: str, wanted: str) -> None:
    assert identifier(folder) == wanted


def test_comments_of_the_starter_stay(tmp_path: Path) -> None:
    text = "workspace: Old            # the name\nid: old\nsalt: older # x\nzone: UTC\n"
    assert (
        personalised(text, "new", "abc")
        == "workspace: New            # the name\nid: new\nsalt: abc # x\nzone: UTC\n"
    )


@pytest.mark.parametrize("kind", ["segment", "campaign", "channel", "import"])
def test_a_new_definition_is_sound_and_never_overwrites(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = small_workspace(tmp_path)
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    assert execute(["new", kind, "brand_new"]) == 0
    assert "Next:" in capsys.readouterr().out
    assert check(root)[1] == []
    assert execute(["new", kind, "brand_new"]) == 2
    assert "is there already; nothing was written" in capsys.readouterr().err


def test_a_new_definition_like_an_old_one_has_its_own_title(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = small_workspace(tmp_path)
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    assert execute(["new", "campaign", "summer_sale", "--like", "spring"]) == 0
    made = load(root).campaigns["summer_sale"]
    assert (made.title, made.send) == ("Summer sale", "welcome")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["campaign", "a b"], "is not a name"),
        (["campaign", "\u0441ampaign"], "mixes two scripts"),
        (["campaign", "../up"], "is not a name"),
        (["campaign", "x", "--like", "none"], 'there is no campaign "none"'),
        (["survey", "x"], "invalid value"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(small_workspace(tmp_path)))
    assert execute(["new", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_campaign_without_a_channel_or_message_says_what_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare: dict[str, str | bytes | None] = {
        "channels/email.yaml": None,
        "channels/text.yaml": None,
        "campaigns/spring.yaml": None,
    }
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(small_workspace(tmp_path, bare)))
    assert execute(["new", "campaign", "x"]) == 2
    assert "needs a channel first" in capsys.readouterr().err


def test_check_says_everything_and_fails(tmp_path: Path) -> None:
    root = small_workspace(
        tmp_path, {"segments/s.yaml": "segment: S\nwhere:\n  - contry: SE\n  - citty: X\n"}
    )
    result = CliRunner().invoke(check_command, [str(root)], standalone_mode=False)
    assert result.return_value == 1
    assert result.output.count("no attribute") == 2
    assert result.output.endswith("2 problems in 1 file\n")


def test_check_of_a_sound_workspace_counts_its_files(tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {"config/rates.yaml": "rates: Later\n"})
    result = CliRunner().invoke(check_command, [str(root)], standalone_mode=False)
    assert result.return_value == 0
    assert result.output.endswith("9 files, no problems, 1 warning\n")


@pytest.mark.parametrize("path", ["config/rates.yaml", "segments/old.yml"])
def test_a_file_that_nobody_reads_is_as_severe_alone_as_among_all(path: str, tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {path: "flow: Later\n"})
    among = CliRunner().invoke(check_command, [str(root), "--json"], standalone_mode=False)
    alone = CliRunner().invoke(check_command, [str(root / path), "--json"], standalone_mode=False)
    assert (among.return_value, alone.return_value) == (0, 0)
    assert json.loads(alone.output)["problems"] == json.loads(among.output)["problems"]
    assert json.loads(alone.output)["warnings"] == 1


def test_check_of_one_file_says_only_its_problems(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {
        "segments/s.yaml": "segment: S\n",
        "campaigns/c.yaml": "campaign: C\n",
    }
    root = small_workspace(tmp_path, files)
    result = CliRunner().invoke(
        check_command, [str(root / "segments/s.yaml"), "--json"], standalone_mode=False
    )
    answer = json.loads(result.output)
    assert result.return_value == 1
    assert (answer["files"], answer["errors"], answer["warnings"]) == (1, 1, 0)
    assert answer["problems"] == [
        {
            "code": "KEY02",
            "severity": "error",
            "path": "segments/s.yaml",
            "line": 2,
            "column": 1,
            "message": 'a segment needs "where"',
            "hint": "write here, for example: where: [{country: SE}]",
        }
    ]


def test_check_of_a_mapping_outside_of_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small_workspace(tmp_path / "shop")
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text("import: M\nkind: events\nevent: order_place\ncustomer: c\nat: d\n")
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    result = CliRunner().invoke(check_command, [str(mapping)], standalone_mode=False)
    assert result.return_value == 1
    assert 'mapping.yaml:3:8: no event "order_place"' in result.output


@pytest.mark.parametrize(
    "arguments", [["check", "nowhere.yaml"], ["check", "--jsn"], ["chek"], ["init"], ["new"]]
)
def test_a_wrong_command_line_is_one_sentence_and_exit_code_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(arguments) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out and said.err


def test_check_is_quick_and_loads_no_database_or_orchestrator(tmp_path: Path) -> None:
    root = small_workspace(tmp_path)
    program = (
        "import sys\n"
        "from tidings.cli.main import execute\n"
        "code = execute(['check', sys.argv[1]])\n"
        "heavy = {'sqlalchemy', 'prefect', 'scipy', 'numpy', 'sklearn', 'pydantic', 'rich', 'alembic'}\n"
        "print(code, sorted(heavy & set(sys.modules)))\n"
    )
    # As installed: Python keeps what it compiled, unless whoever runs these tests has forbidden it.
    variables = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled")}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    seconds = []
    for _ in range(4):
        started = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", program, str(root)],
            capture_output=True,
            text=True,
            check=True,
            env=variables,
        )
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(ended.ru_utime + ended.ru_stime - started.ru_utime - started.ru_stime)
        assert done.stdout.splitlines()[-1] == "0 []"
    # Seconds of the processor, the quickest of four: the machine may be busy with other things.
    assert min(seconds) < 0.5
