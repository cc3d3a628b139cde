"""The demo, small: everything it says about itself adds up, and what it tells people to try works."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from rich.cells import cell_len

from support.components import missing
from tidings.channels.bounces import read_report
from tidings.channels.protocol import Receipt
from tidings.cli.demo.faxing import why_no_calls
from tidings.cli.demo.people import person
from tidings.cli.demo.reaching import MOST_FAXES, number_in, phone_of, reached, with_fax

# Several servers and processes at once.
pytestmark = pytest.mark.alone

CUSTOMERS = 2_000
WITHOUT_CALLS = """
import sys
from tidings.cli.demo import faxing
faxing.why_no_calls = lambda: "no library here, so faxes become files"
from tidings.cli.main import execute
sys.exit(execute(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder and the output of a demo with a few customers."""
    folder = tmp_path_factory.mktemp("demo") / "shop"
    return folder, run("demo", "--folder", str(folder), "--customers", str(CUSTOMERS))


@pytest.fixture
def ledger(demo: tuple[Path, str]) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(demo[0] / ".tidings" / "development.sqlite")) as connection:
        yield connection


def run(*words: str, cwd: Path | None = None, code: str = "") -> str:
    start = ["-c", code] if code else ["-m", "tidings.cli.main"]
    done = subprocess.run(
        [sys.executable, *start, *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def compared(said: str) -> dict[str, tuple[int, int]]:
    """Return what was received and what the ledger says, by line of the table."""
    table = said[said.index("What was received") : said.index("Where the time went")]
    rows = re.findall(r"^(\S.*?)\s{2,}([\d,]+)\s+([\d,]+)\s*$", table, re.MULTILINE)
    return {words: (int(one.replace(",", "")), int(other.replace(",", ""))) for words, one, other in rows}


def count(ledger: sqlite3.Connection, statement: str) -> int:
    return int(ledger.execute(statement).fetchone()[0])


def test_mailboxes_and_ledger_agree_and_nothing_came_twice(demo: tuple[Path, str]) -> None:
    found = re.search(
        r"([\d,]+) e-mails reached the mailboxes[^,]*, the ledger\s+says ([\d,]+); ([\d,]+) came twice",
        demo[1],
    )
    assert found is not None
    received, ledger, twice = (int(number.replace(",", "")) for number in found.groups())
    assert received == ledger > 1000
    assert twice == 0


def test_all_that_was_received_is_what_the_ledger_says(demo: tuple[Path, str]) -> None:
    table = compared(demo[1])
    assert len(table) == 10
    assert all(received == ledger for received, ledger in table.values()), table
    assert table["customers reached by two channels"] == (0, 0)
    for words in ("e-mails that it refused", "e-mails returned later", "complaints", "texts to dead numbers"):
        assert table[words][0] > 0, words
    assert table["texts on telephones"][0] > 50


def test_the_reports_in_the_maildir_are_the_bounces_of_the_ledger(
    demo: tuple[Path, str], ledger: sqlite3.Connection
) -> None:
    mails = list((demo[0] / ".tidings" / "bounces" / "cur").iterdir())
    assert not list((demo[0] / ".tidings" / "bounces" / "new").iterdir())
    told = [one for mail in mails for one in read_report(mail.read_bytes()) if isinstance(one, Receipt)]
    states = {
        one.raw["ledger_id"]: ledger.execute(
            "SELECT state FROM messages WHERE id = ?", [one.raw["ledger_id"]]
        ).fetchone()[0]
        for one in told
    }
    assert len(states) == len(told) == len(mails) > 10
    assert {one.raw["ledger_id"]: str(one.kind) for one in told} == states


def test_addresses_that_are_gone_are_suppressed_and_full_mailboxes_are_not(
    ledger: sqlite3.Connection,
) -> None:
    suppressed = dict(
        ledger.execute(
            "SELECT c.key, s.reason FROM suppressions s JOIN customers c ON c.email_hash = s.address_hash "
            "WHERE s.channel = 'email'"
        )
    )
    handed = {
        key: reached(person(int(key[1:]))).mailbox
        for (key,) in ledger.execute(
            "SELECT c.key FROM messages m JOIN customers c ON c.id = m.customer_id "
            "WHERE m.channel = 'email' AND m.state NOT IN ('refused', 'cancelled')"
        )
    }
    gone = {key for key, fate in handed.items() if fate in ("refused", "gone")}
    cross = {key for key, fate in handed.items() if fate == "complains"}
    assert "full" in handed.values()
    assert suppressed == dict.fromkeys(gone, "bounce") | dict.fromkeys(cross, "complaint")


def test_the_next_channel_took_over_and_never_beside_one_that_reached(ledger: sqlite3.Connection) -> None:
    live = "('accepted', 'delivered', 'complained', 'in_doubt', 'planned', 'deferred')"
    assert not ledger.execute(
        f"SELECT enrolment_id FROM messages WHERE state IN {live} GROUP BY enrolment_id HAVING count(*) > 1"  # noqa: S608
    ).fetchall()
    went_on = (
        "SELECT count(*) FROM messages m JOIN messages e ON e.enrolment_id = m.enrolment_id AND e.leg < m.leg"
    )
    assert count(ledger, f"{went_on} WHERE e.channel = 'email' AND m.channel = 'sms'") > 10
    assert count(ledger, f"{went_on} WHERE e.channel = 'sms' AND m.channel = 'fax'") > 0


def test_who_says_stop_gets_one_confirmation_and_nothing_more(
    demo: tuple[Path, str], ledger: sqlite3.Connection
) -> None:
    found = re.search(r"(\d+) people answered STOP.*?; (\d+) got one confirmation", demo[1])
    assert found is not None
    stopped, confirmed = map(int, found.groups())
    assert stopped == confirmed >= 4
    assert "texts to people who had said stop: 0" in demo[1]
    said = ledger.execute(
        "SELECT address_hash, min(at), count(*) FROM receipts WHERE kind = 'inbound' GROUP BY 1"
    ).fetchall()
    assert max(times for _, _, times in said) > 1, "nobody said it twice"
    notices = dict(
        ledger.execute("SELECT address_hash, count(*) FROM notices WHERE state = 'accepted' GROUP BY 1")
    )
    assert set(notices.values()) == {1}
    for hashed, at, _ in said:
        later = ledger.execute(
            "SELECT count(*) FROM messages m JOIN customers c ON c.id = m.customer_id "
            "WHERE c.phone_hash = ? AND m.channel = 'sms' AND m.started_at > ?",
            [hashed, at],
        ).fetchone()[0]
        assert later == 0
    # Some of the club said stop before the reminder: the gate must have had somebody to refuse.
    refused = re.search(r"people in the club: (\d+) texts, (\d+) had said stop", demo[1])
    assert refused is not None
    assert int(refused[2]) > 0


def test_fax_pages_arrive_as_they_were_sent(demo: tuple[Path, str], ledger: sqlite3.Connection) -> None:
    reason = why_no_calls()
    if reason:
        missing(reason)
    found = re.search(r"(\d+) faxes by true T.30 calls: (\d+) of (\d+) pages arrived equal", demo[1])
    assert found is not None
    faxes, equal, pages = map(int, found.groups())
    assert 0 < faxes <= MOST_FAXES
    assert equal == pages >= faxes
    assert faxes == len(list((demo[0] / ".tidings" / "fax").glob("*.tif")))
    assert faxes == count(
        ledger, "SELECT count(*) FROM messages WHERE channel = 'fax' AND state = 'delivered'"
    )


def test_without_the_library_faxes_become_files_and_one_sentence_says_why(tmp_path: Path) -> None:
    said = run("demo", "--folder", str(tmp_path / "shop"), "--customers", "600", code=WITHOUT_CALLS)
    assert said.count("No library here, so faxes become files.") == 1
    assert compared(said)["faxes as files"][0] == len(list((tmp_path / "shop/.tidings/fax").glob("m*.tif")))
    assert compared(said)["faxes as files"][0] > 0
    assert "T.30" not in said


def test_few_people_have_a_fax_and_every_number_leads_back_to_its_owner() -> None:
    assert len(with_fax(20_000)) == MOST_FAXES
    for number in (1, 999, 20_000, 200_000):
        one = person(number)
        assert number_in(re.sub(r"\D", "", phone_of(one, reached(one)) or f"{number:06d}")) == number


def test_people_unsubscribed_midway_and_scanners_were_told_from_people(demo: tuple[Path, str]) -> None:
    assert re.search(r"unsubscribed from this\s+unsubscribed_list\s+sending", demo[1])
    programs = re.search(r"touched by programs only\s+0\s+(\d+)\s+(\d+)", demo[1])
    assert programs is not None
    assert sum(map(int, programs.groups())) > 5


def test_measured_effects_stand_beside_the_planted_truth(demo: tuple[Path, str]) -> None:
    rows = re.findall(r"^(warm|direct)\s+(order_placed|revenue)\s.*?(yes|no)\s*$", demo[1], re.MULTILINE)
    assert sorted(row[:2] for row in rows) == [
        ("direct", "order_placed"),
        ("direct", "revenue"),
        ("warm", "order_placed"),
        ("warm", "revenue"),
    ]
    # The seed is fixed: in this population all four intervals hold the truth.
    assert [row[2] for row in rows] == ["yes"] * 4


def test_every_line_fits_a_terminal(demo: tuple[Path, str]) -> None:
    # Only the path of a folder may be longer, for it must be copied whole; commands write pages of 100 columns into a pipe.
    before, _, rest = demo[1].partition("\nCredit beside effect")
    of_commands, _, after = rest.partition("\nLedger ")
    assert of_commands and after
    for said, width in ((before + after, 80), (of_commands, 100)):
        assert [
            line for line in said.splitlines() if cell_len(line) > width and str(demo[0]) not in line
        ] == []


def test_every_phase_is_timed(demo: tuple[Path, str]) -> None:
    for name in (
        "Import customers",
        "Plan",
        "Send by e-mail, SMS and fax",
        "Bounces, receipts, replies",
        "A reminder by SMS",
        "Orders through the tracker",
        "Report",
        "Ledger",
        "all",
    ):
        assert re.search(rf"^{name}\s+[\d.]+\s+[\d.]+", demo[1], re.MULTILINE), name


def test_what_it_says_to_try_next_works(demo: tuple[Path, str]) -> None:
    folder, said = demo
    commands = re.findall(r"^  tidings (.+?)(?:\s{2,}|$)", said[said.index("Try next") :], re.MULTILINE)
    assert len(commands) >= 8
    for command in commands:
        run(*command.split(), cwd=folder)
    assert "The ledger holds" in run("verify", cwd=folder)


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = subprocess.run(
        [sys.executable, "-m", "tidings.cli.main", "demo", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "was not made by the demo" in done.stderr
    assert (tmp_path / "mine.txt").read_text() == "mine"
