"""`tidings.Workspace` answers in frames, and `tidings export` writes the same figures into files."""

from __future__ import annotations

import csv
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from openpyxl import load_workbook

import tidings
from support.command_line import Shop, new_shop
from support.shop import ROOT
from tidings.errors import UsageError

REPORT = ["effects", "funnel", "refusals", "earned", "promotion", "pulled", "payback", "plan"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A filled shop whose campaign has run."""
    made = new_shop(tmp_path_factory.mktemp("notebook")).filled()
    made.ok("run", "spring_winback", "--yes")
    return made


@pytest.fixture
def workspace(shop: Shop) -> Iterator[tidings.Workspace]:
    with tidings.Workspace(shop.root) as opened:
        yield opened


def test_a_notebook_reads_reports_credit_movement_and_segments(
    shop: Shop, workspace: tidings.Workspace
) -> None:
    told = shop.ok("report", "spring_winback", "--json").data
    effects = workspace.report("spring_winback")
    assert list(effects["estimate"]) == [one["estimate"] for one in told["effects"]]
    funnel = workspace.report("spring_winback", "funnel").set_index("arm")
    assert funnel["messages"].sum() == sum(row["messages"] for row in told["funnel"]) > 0
    movement = shop.ok("kpi", "--json").data["ladder"]
    ladder = workspace.kpi().set_index("step")
    assert [int(one) for one in ladder["end"]] == [step["end"] for step in movement["steps"]]
    inwards = ladder[["in_outside", "in_below", "in_above"]].sum(axis=1)
    outwards = ladder[["out_outside", "out_below", "out_above"]].sum(axis=1)
    assert (ladder["start"] + inwards - outwards == ladder["end"]).all()
    assert workspace.kpi(table="movement")["rate"].notna().any()
    shop.ok("attribute")
    credit = workspace.attribute(by="campaign")
    assert credit.empty and list(credit.columns)[:3] == ["model", "label", "conversions"]
    # Everybody bought before anybody was written to, and the answer says so.
    assert any("touch" in words for words in credit.attrs["words"])
    assert workspace.attribute(table="lines").set_index("line")["count"]["conversions"] > 0
    spread = shop.ok("kpi", "--show", "all", "--json").data
    best = workspace.kpi(table="best")
    assert list(best["share"]) == [one["share"] for one in spread["80_20"]["points"]]
    grid = workspace.kpi(table="rfm")
    assert (
        grid["customers"].sum()
        == spread["rfm"]["customers"]
        == workspace.kpi(table="rfm_scores")["customers"].sum()
    )
    cohorts = workspace.kpi(table="cohorts", cohorts="quarter")
    first = cohorts[cohorts["later"] == 0]
    assert (first["active"] == first["customers"]).all() and (first["period"] == "quarter").all()
    sums = workspace.kpi(table="sums").set_index("figure")["value"]
    assert sums["net"] == spread["revenue"]["net"] and sums["gross"] - sums["returned"] == pytest.approx(
        sums["net"]
    )
    assert list(workspace.goals()["goal"]) == [
        one["goal"] for one in shop.ok("goals", "--json").data["goals"]
    ]
    assert set(workspace.goals(table="progress")["goal"]) <= set(workspace.goals()["goal"])
    assert len(workspace.touches()) and set(workspace.touches()["kind"]) == {"sent"}
    assert workspace.costs().empty
    members = workspace.segment("lapsed_buyers")
    assert len(members) == 180 and members["key"].is_unique


def test_the_page_about_notebooks_runs_as_it_is_written(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "how-to" / "analyse-in-a-notebook.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(shop.root)
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 2
    assert len(names["members"]) == 180
    effects = names["effects"]
    assert effects.attrs["columns"]["p_holm"] in page


def test_reading_changes_nothing_in_the_store(shop: Shop) -> None:
    shop.ok("attribute")
    before = hashlib.sha256(shop.store_file().read_bytes()).hexdigest()
    with tidings.Workspace(shop.root, "development") as opened:
        opened.report("spring_winback")
        opened.attribute()
        opened.kpi()
        opened.segment("lapsed_buyers")
    assert hashlib.sha256(shop.store_file().read_bytes()).hexdigest() == before


def test_what_is_not_there_is_said_with_what_is(workspace: tidings.Workspace, shop: Shop) -> None:
    with pytest.raises(UsageError, match='no table "effect"') as raised:
        workspace.report("spring_winback", "effect")
    assert raised.value.what_to_do == f"tables are: {', '.join(REPORT)}"
    with pytest.raises(UsageError, match="no campaign"):
        workspace.report("spring")
    with pytest.raises(UsageError, match='credit goes to no "chanel"') as raised:
        workspace.attribute(by="chanel")
    # What to do stands under the error that a notebook shows.
    assert raised.value.__notes__ == ['did you mean "channel"?']
    with pytest.raises(UsageError, match="no environment"):
        tidings.Workspace(shop.root, "nowhere")
    with pytest.raises(UsageError, match="there is no workspace"):
        tidings.Workspace("/")
    workspace.close()
    workspace.close()
    assert "closed" in repr(workspace)
    with pytest.raises(UsageError, match="is closed"):
        workspace.kpi()


def test_an_export_is_the_table_in_a_file(shop: Shop, workspace: tidings.Workspace) -> None:
    said = shop.ok("export", "report", "spring_winback", "--out", "out/r.csv", "--locale", "ru")
    assert "wrote out/r.csv (rows: effects " in said.out
    assert "made the folder out, which was not there" in said.out
    raw = (shop.root / "out" / "r.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines(), delimiter=";"))
    effects = workspace.report("spring_winback")
    assert [float(row["mean"].replace(",", ".")) for row in rows] == list(effects["mean"])
    told = shop.ok("export", "report", "spring_winback", "--out", "r.xlsx", "--json").data
    assert [one["table"] for one in told["tables"]] == REPORT
    assert told["folder_made"] is None
    book = load_workbook(shop.root / "r.xlsx")
    assert book.sheetnames == [*REPORT, "about"]
    assert book["effects"].max_row == len(effects) + 1
    shop.ok("export", "segment", "lapsed_buyers", "--out", "s.csv", "--delimiter", "tab", "--bom")
    assert (shop.root / "s.csv").read_text(encoding="utf-8-sig").count("\n") == 181
    for what in ("attribute", "kpi", "goals", "touches", "costs"):
        shop.ok("export", what, "--out", f"{what}.xlsx")
        shop.ok("export", what, "--out", f"{what}.csv")
    assert not list(shop.root.glob("**/*.part"))


def test_a_folder_that_cannot_be_made_is_said(shop: Shop) -> None:
    (shop.root / "taken").write_text("a file")
    said = shop.run("export", "kpi", "--out", "taken/kpi.csv")
    assert said.code == 2
    assert 'the folder "taken" cannot be made' in said.err
    made = shop.ok("report", "spring_winback", "--html", "--out", "new/folder").out
    assert made == "wrote new/folder/report-spring_winback.html (made the folder new/folder)\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("report", "--out", "x.csv"), "needs a name"),
        (("kpi", "spring", "--out", "x.csv"), "takes no name"),
        (("kpi", "--out", "x.txt"), "must end in .csv or .xlsx"),
        (("kpi", "--out", "x.xlsx", "--bom"), "are for a .csv"),
        (("kpi", "--out", "x.csv", "--table", "x"), "tables are: ladder, movement, sums, best,"),
        (("kpi", "--out", "x.csv", "--locale", "ru", "--delimiter", ","), "same comma"),
        (("kpi", "--out", "x.csv", "--locale", "xx"), '"xx" is no locale'),
        (("kpi", "--out", "x.csv", "--locale", "de-"), '"de-" is no locale'),
    ],
)
def test_what_cannot_be_exported_is_said(shop: Shop, arguments: tuple[str, ...], words: str) -> None:
    said = shop.run("export", *arguments)
    assert said.code == 2
    assert words in said.err
    assert not (shop.root / arguments[-1]).exists()


def test_a_report_is_written_as_files_that_replace_earlier_ones(shop: Shop) -> None:
    for _ in range(2):
        assert shop.ok("report", "spring_winback", "--html", "--pdf").out.split() == [
            "wrote", "report-spring_winback.html", "wrote", "report-spring_winback.pdf",
        ]  # fmt: skip
    assert (shop.root / "report-spring_winback.pdf").read_bytes().startswith(b"%PDF")
    told = shop.ok("report", "spring_winback", "--pdf", "--out", "papers/spring.pdf", "--json")
    assert told.data == {"files": ["papers/spring.pdf"], "folders_made": ["papers"]}
    again = shop.ok("report", "spring_winback", "--html", "--out", "papers/spring.html")
    assert again.out == "wrote papers/spring.html\n"
    assert (
        "several are asked for"
        in shop.run("report", "spring_winback", "--pdf", "--html", "--out", "a.pdf").err
    )
    assert "does not end in .pdf" in shop.run("report", "spring_winback", "--pdf", "--out", "a.html").err


def test_the_page_of_the_company_is_mailed_by_hand(shop: Shop) -> None:
    before = set((shop.root / ".tidings" / "outbox").glob("*.eml"))
    said = shop.ok("report", "--all", "--mail", "--dry-run").out.splitlines()
    assert said and all(line.endswith(": would be sent") for line in said)
    assert set((shop.root / ".tidings" / "outbox").glob("*.eml")) == before
    told = shop.ok("report", "--all", "--mail", "--to", "me@shop.example", "--pdf", "--json").data
    assert told == {
        "files": ["report-nordic-garden.pdf"],
        "folders_made": [],
        "mailed": [{"to": "me@shop.example", "outcome": "accepted"}],
    }
    (new,) = set((shop.root / ".tidings" / "outbox").glob("*.eml")) - before
    mail = new.read_bytes()
    assert b"To: me@shop.example" in mail and b"application/pdf" in mail and b"image/png" in mail
    owner = shop.ok("report", "spring_winback", "--mail", "--dry-run").out
    assert owner == "crm@nordicgarden.example: would be sent\n"


def test_a_command_does_not_wait_for_what_notebooks_use() -> None:
    code = (
        "import sys, tidings, tidings.cli.main, tidings.cli.report, tidings.cli.export; "
        "heavy = {'pandas', 'typst', 'openpyxl', 'numpy', 'sqlalchemy', 'tidings.workspace'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = tidings.Nothing
