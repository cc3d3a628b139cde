import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.import_world import write_csv
from tidings.cli.main import execute

ROOT = Path(__file__).resolve().parents[2]
HEADER = (
    "customer_id", "email", "phone", "locale", "time_zone", "country", "name", "birthday", "member_level", "interests",
    "lifetime_value", "last_order_at", "orders", "newsletter", "sms_ok",
    "fax", "account", "account_type", "first_name", "last_name", "gender", "preferred_channel", "fax_ok", "garden_letter",
    "trade_ok",
)  # fmt: skip


def row(number: int, email: str = "") -> tuple[str, ...]:
    return (
        str(number), email or f"u{number}@example.com", "0701740605", "sv", "Europe/Stockholm", "SE", f"Åsa {number}", "1990-03-02",
        "gold", "roses;trees", "12.50", "2027-01-01", "3", str(number % 2), "1", *[""] * 10,
    )  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    for folder in ("config", "segments", "campaigns", "channels", "templates"):
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, root / folder)
    monkeypatch.chdir(root)
    for name in [
        name for name in os.environ if name.startswith("TIDINGS_") and name != "TIDINGS_REQUIRE_ALL"
    ]:
        monkeypatch.delenv(name)
    return root


def test_the_end_is_good_to_read(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(workspace / "c.csv", HEADER, [*(row(number) for number in range(1500)), row(9999, "nobody")])
    assert execute(["import", "c.csv", "--as", "customers"]) == 1
    told = capsys.readouterr()
    assert "1,501  rows in the file" in told.out
    assert "1,500  customers new" in told.out
    assert "1  not an e-mail address in email" in told.out
    assert "They are in c.csv.rejects.csv" in told.out
    assert "750  by e-mail for marketing  (not: 750 no consent)" in told.out
    assert "1,500  by SMS for marketing" in told.out
    assert "0  by e-mail for newsletter" in told.out
    assert "1,000 rows" in told.err
    assert execute(["import", "c.csv", "--as", "customers"]) == 1
    assert "was imported before as customers" in capsys.readouterr().out


def test_json_has_stable_keys(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(workspace / "c.csv", HEADER, [row(1)])
    assert execute(["import", "c.csv", "--as", "config/imports/customers.yaml", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == [
        "mapping", "kind", "file", "rows", "created", "updated", "unchanged", "events", "skipped", "rejected", "rejects",
        "rejects_file", "no_customer", "no_customer_value", "details", "resumed_from", "already", "interrupted", "reach",
        "missing_columns",
        "read_as",
    ]  # fmt: skip
    assert (told["mapping"], told["created"]) == ("customers", 1)
    assert {"channel": "email", "purpose": "marketing", "reachable": 1, "refused": {}} in told["reach"]


def test_an_unknown_mapping_names_the_nearest(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["import", "c.csv", "--as", "custmers"]) == 2
    assert 'did you mean "customers"?' in capsys.readouterr().err


def test_a_missing_file_is_one_sentence(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["import", "none.csv", "--as", "customers"]) == 2
    assert "error: there is no file none.csv" in capsys.readouterr().err


def test_ctrl_c_finishes_the_rows_at_hand_and_the_same_command_goes_on(workspace: Path) -> None:
    write_csv(workspace / "c.csv", HEADER, [row(number) for number in range(30_000)])
    command = [sys.executable, "-m", "tidings.cli.main", "import", "c.csv", "--as", "customers"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("reading"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "stopping after the rows at hand" in err
    assert "run the same command again to go on" in out
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True, timeout=120)
    told = json.loads(again.stdout)
    assert told["resumed_from"]
    assert (told["rows"], told["created"], told["interrupted"]) == (30_000, 30_000, False)
