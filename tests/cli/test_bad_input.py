"""Bad input and bad days: one clear sentence, the right exit code, and nothing lost."""

from __future__ import annotations

import ctypes
import os
import resource
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.command_line import Said, Shop, sendable, write_customers
from support.components import missing
from support.smtp_servers import RawServer, Scripted, aiosmtpd_server, free_port

Run = Callable[..., Said]


def rows(shop: Shop, table: str) -> int:
    with sqlite3.connect(f"file:{shop.store_file()}?mode=ro", uri=True) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def sentence(said: Said, code: int) -> str:
    """Return what was said of a failure: the first line, and at most a way out below it."""
    assert said.code == code, said
    told = said.err.partition("error: ")[2].splitlines()
    assert 1 <= len(told) <= 3, said
    return said.err


# Definitions


@pytest.mark.parametrize(
    ("path", "change", "words"),
    [
        ("segments/lapsed_buyers.yaml", ("owner:", "onwer:"), 'did you mean "owner"?'),
        ("campaigns/spring_winback.yaml", ("holdout: 10%", "holdout: [a]"), "holdout"),
        (
            "campaigns/spring_winback.yaml",
            ("to: lapsed_buyers", "to: lapsed_byers"),
            'did you mean "lapsed_buyers"?',
        ),
        ("campaigns/spring_winback.yaml", ("send: spring_winback", "send: autumn"), "autumn"),
        ("campaigns/spring_winback.yaml", ("via: email", "via: pigeon"), "pigeon"),
        ("config/policies.yaml", ("expires: 24 hours", "expires: soon"), "soon"),
        ("channels/email.yaml", ("port: 2525", "port: x"), "port"),
        ("channels/email.yaml", ("host: 127.0.0.1", "hots: 127.0.0.1"), 'did you mean "host"?'),
        ("templates/spring_winback/email.en.txt", ("full_name", "ful_name"), 'did you mean "full_name"?'),
    ],
)
def test_a_wrong_definition_is_said_with_its_place_and_nothing_is_sent(
    shop: Shop, run: Run, path: str, change: tuple[str, str], words: str
) -> None:
    shop.change(path, *change)
    checked = run(shop, "check")
    assert checked.code == 1
    assert f"{path}:" in checked.out
    assert words in checked.out
    sent = run(shop, "run", "spring_winback", "--yes")
    assert sent.code in (1, 2), sent
    assert words in sent.err
    assert shop.outbox() == []
    assert rows(shop, "messages") == 0


@pytest.mark.parametrize("path", ["segments/lapsed_buyers.yaml", "templates/spring_winback/email.en.txt"])
def test_a_file_in_another_encoding_is_said_with_its_line(shop: Shop, run: Run, path: str) -> None:
    file = shop.root / path
    file.write_bytes(file.read_bytes() + "# caf\u00e9\n".encode("latin-1"))
    checked = run(shop, "check")
    assert checked.code == 1
    line = file.read_bytes().count(b"\n")
    assert f"{path}:{line}:" in checked.out
    assert "UTF-8" in checked.out


def test_without_a_workspace_the_command_says_how_to_start_one(tmp_path: Path, run: Run) -> None:
    said = sentence(run(Shop(tmp_path), "plan"), 2)
    assert "there is no workspace" in said
    assert "tidings init" in said


# Files to import


def test_a_file_that_is_not_there_is_one_sentence(shop: Shop, run: Run) -> None:
    assert "there is no file none.csv" in sentence(run(shop, "import", "none.csv", "--as", "customers"), 2)
    assert "is a folder" in sentence(run(shop, "import", "segments", "--as", "customers"), 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n", "customer_id"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "new.csv"),
        (b"\x1f\x8bnot really", "new.csv"),
    ],
)
def test_a_file_that_is_no_table_of_customers_is_refused_whole(
    shop: Shop, run: Run, content: bytes, words: str
) -> None:
    (shop.root / "new.csv").write_bytes(content)
    before = rows(shop, "customers")
    assert words in sentence(run(shop, "import", "new.csv", "--as", "customers"), 1)
    assert rows(shop, "customers") == before


def test_a_broken_sign_in_the_middle_costs_no_other_row(shop: Shop, run: Run) -> None:
    path = shop.root / "more.csv"
    write_customers(path, 50, start=1001)
    path.write_bytes(path.read_bytes().replace(b"Customer 1020,", b"Customer \xff1020,"))
    said = run(shop, "import", "more.csv", "--as", "customers", "--json")
    if said.code == 1 and said.out:
        assert (said.data["created"], said.data["rejected"]) == (49, 1)
    else:
        assert "UTF-8" in sentence(said, 1)
    path.write_bytes(path.read_bytes().replace(b"\xff", b""))
    assert run(shop, "import", "more.csv", "--as", "customers").code == 0
    assert rows(shop, "customers") == 350


# The mail server


def test_a_mail_server_that_is_down_pauses_the_run_and_a_resume_finishes_it(shop: Shop, run: Run) -> None:
    port = free_port()
    shop.mails_by_smtp(port)
    stopped = run(shop, "run", "spring_winback", "--yes")
    assert stopped.code == 1
    assert f"no mail server answers at 127.0.0.1:{port}" in stopped.out
    assert "tidings resume spring_winback" in stopped.out
    held = run(shop, "run", "spring_winback", "--yes")
    assert held.code == 1
    assert "The run is paused" in held.out
    finishes_with_one_each(shop, run, port, already=set())


@pytest.mark.parametrize(
    ("trouble", "words", "doubtful"),
    [
        ("silent at start", "did not answer within 0.3 s", False),
        ("silent at rcpt", "did not answer within 0.3 s", False),
        ("silent after body", "did not answer within 0.3 s", True),
        ("cut at rcpt", "closed the connection", False),
        ("cut in body", "", True),
    ],
)
def test_a_mail_server_that_hangs_costs_its_timeout_and_loses_nothing(
    shop: Shop, run: Run, trouble: str, words: str, doubtful: bool
) -> None:
    with RawServer(trouble) as server:
        shop.mails_by_smtp(server.port, connect_timeout=0.3, command_timeout=0.3, data_timeout=0.3)
        stopped = run(shop, "run", "spring_winback", "--yes")
        assert server.messages == []
    assert stopped.code == 1
    assert words in stopped.out
    assert run(shop, "verify").code == 0
    doubts = run(shop, "in-doubt", "--json").data
    if not doubtful:
        assert doubts == []
    finishes_with_one_each(
        shop, run, server.port, already={f"c{one['customer'][2:]}@customers.example" for one in doubts}
    )


def finishes_with_one_each(shop: Shop, run: Run, old_port: int, already: set[str]) -> None:
    """Put a working mail server in place: everyone gets one message, those in doubt are left in doubt."""
    with aiosmtpd_server(server := Scripted()) as port:
        shop.change("channels/email.yaml", f"port: {old_port}", f"port: {port}")
        assert run(shop, "resume", "spring_winback").code == 0
        # What was refused for a moment is tried again after a pause of seconds; until then the run is not over.
        for _ in range(20):
            done = run(shop, "run", "spring_winback", "--yes", "--json")
            if done.code == 0 or not done.data["messages"].get("deferred"):
                break
            shop_waits(shop)
    reached = Counter(envelope[1][0] for envelope in server.envelopes)
    assert set(reached.values()) == {1}
    assert not already & set(reached)
    assert len(reached) + len(already) == sum(done.data["messages"].values())
    assert 0 < len(reached) <= sendable()
    assert run(shop, "verify").code == 0


def shop_waits(shop: Shop) -> None:
    """Bring the instant of the next try forward instead of waiting for it."""
    with sqlite3.connect(shop.store_file()) as connection:
        connection.execute("UPDATE messages SET due_at = 0 WHERE state = 'deferred'")
    connection.close()


# The store


def test_a_store_that_another_process_writes_to_is_waited_for_and_then_named(shop: Shop) -> None:
    other = sqlite3.connect(shop.store_file(), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        said = sentence(shop.apart.run("run", "spring_winback", "--yes"), 1)
        assert "is locked: another process" in said
        assert shop.run("segment", "lapsed_buyers").code == 0, "looking waits for nobody"
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert shop.outbox() == []
    shop.ok("run", "spring_winback", "--yes")
    assert len(shop.outbox()) == len(set(shop.outbox())) > 0


def without_root_powers() -> None:
    """Let the permission bits bind root too: drop CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH (prctl 24) for the child."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):
        libc.prctl(24, capability)


@contextmanager
def mode(path: Path, bits: int) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(before)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_store_that_may_not_be_written_to_is_said_and_stays_as_it_was(shop: Shop, what: str) -> None:
    target = shop.store_file() if what == "file" else shop.store_file().parent
    with mode(target, 0o444 if what == "file" else 0o555):
        for arguments in (
            ("run", "spring_winback", "--yes"),
            ("import", "orders.csv", "--as", "orders", "--again"),
        ):
            said = sentence(shop.run(*arguments, before=without_root_powers), 1)
            assert "read-only" in said
            assert "give this user write access" in said
    assert rows(shop, "messages") == 0
    shop.ok("run", "spring_winback", "--yes")


def test_a_workspace_that_may_not_be_written_to_is_said_by_new_and_init(shop: Shop) -> None:
    with mode(shop.root / "segments", 0o555), mode(shop.root, 0o555):
        assert "cannot be written: permission denied" in sentence(
            shop.run("new", "segment", "x", before=without_root_powers), 2
        )
        assert "cannot be written: permission denied" in sentence(
            shop.run("init", "x", before=without_root_powers), 2
        )


def test_a_disk_that_fills_up_stops_an_import_which_then_goes_on(shop: Shop) -> None:
    write_customers(shop.root / "more.csv", 3000, start=1001)
    most = shop.store_file().stat().st_size + 4096
    said = shop.run(
        "import",
        "more.csv",
        "--as",
        "customers",
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert "the disk is full" in sentence(said, 1)
    assert "everything committed before is kept" in said.err
    kept = rows(shop, "customers")
    assert 300 <= kept < 3300
    shop.ok("import", "more.csv", "--as", "customers")
    assert rows(shop, "customers") == 3300
    assert rows(shop, "consents") == 270 + 2700


def test_a_disk_that_is_full_when_a_run_starts_leaves_a_run_that_finishes_later(shop: Shop) -> None:
    if os.geteuid() != 0:
        missing("only root may mount the small disk of this test")
    disk = shop.root / ".tidings"
    content = {path.name: path.read_bytes() for path in disk.iterdir() if path.is_file()}
    size = sum(len(one) for one in content.values()) // 1024 + 250
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        missing(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        for name, data in content.items():
            (disk / name).write_bytes(data)
        said = shop.apart.run("run", "spring_winback", "--yes")
        assert said.code == 1, said
        assert "full" in said.err + said.out or "No space left" in said.out
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        finish(shop)
        outbox = shop.outbox()
        assert len(outbox) == len(set(outbox)) > 100
        shop.ok("verify")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def finish(shop: Shop) -> None:
    shop.run("resume", "spring_winback")
    for _ in range(10):
        if shop.run("run", "spring_winback", "--yes").code == 0:
            return
        shop_waits(shop)
    pytest.fail("the run does not come to its end")


def test_a_clock_that_was_set_back_stops_planning_and_sending_before_anybody_is_enrolled(
    shop: Shop, run: Run
) -> None:
    with sqlite3.connect(shop.store_file()) as connection:
        connection.execute("UPDATE identity SET latest_at = latest_at + 3600 * 1000000")
    connection.close()
    for command in (("plan", "spring_winback"), ("run", "spring_winback", "--yes")):
        said = sentence(run(shop, *command), 1)
        assert "the clock of this machine says" in said
        assert "set the clock right" in said
    assert rows(shop, "runs") == rows(shop, "messages") == 0
    with sqlite3.connect(shop.store_file()) as connection:
        connection.execute("UPDATE identity SET latest_at = latest_at - 3600 * 1000000")
    connection.close()
    assert run(shop, "run", "spring_winback", "--yes").code == 0


@pytest.mark.parametrize("content", [b"", b"this is no database, it is a letter to a friend\n" * 20])
def test_a_store_that_is_none_is_named(shop: Shop, run: Run, content: bytes) -> None:
    for path in shop.store_file().parent.glob("development.sqlite*"):
        path.unlink()
    shop.store_file().write_bytes(content)
    said = run(shop, "segment", "lapsed_buyers")
    if content:
        assert "is no SQLite database" in sentence(said, 1)
        assert shop.store_file().read_bytes() == content
    else:
        assert said.code == 0, "an empty file is a store that was never begun"


def test_an_environment_whose_store_is_not_named_asks_for_its_variable(shop: Shop, run: Run) -> None:
    said = sentence(run(shop, "plan", "spring_winback", "-e", "production"), 2)
    assert "TIDINGS_STORE, which is not set" in said


def test_keys_and_secrets_that_are_missing_are_asked_for_before_anybody_is_enrolled(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.mails_by_smtp(free_port())
    shop.change("channels/email.yaml", "# secrets: ", "secrets: ")
    shop.change("channels/email.yaml", "#   username:", "  username:")
    shop.change("channels/email.yaml", "#   password:", "  password:")
    monkeypatch.delenv("TIDINGS_SMTP_USER", raising=False)
    said = run(shop, "run", "spring_winback", "--yes")
    assert said.code == 1
    assert "TIDINGS_SMTP_USER" in said.err
    assert rows(shop, "runs") == 0
