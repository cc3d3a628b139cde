"""What a marketer sees in a terminal of 80 columns: nothing cut off, nothing asked of nobody."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from support.command_line import Shop

LOOKED_AT = (
    "verify", "plan", "plan spring_winback", "segment", "segment gold_gardeners", "in-doubt", "migrate",
)  # fmt: skip


def in_terminal(shop: Shop, *arguments: str, columns: int = 80, answer: str = "") -> tuple[int, str]:
    """Run a command in a terminal of its own; return its exit code and what stands on the screen."""
    return screen_of(shop, "-m", "tidings.cli.main", *arguments, columns=columns, answer=answer)


def screen_of(shop: Shop, *arguments: str, columns: int = 80, answer: str = "") -> tuple[int, str]:
    """Run Python in a terminal of its own; return its exit code and what stands on the screen."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("TIDINGS_", "COLUMNS"))
    }
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=shop.root,
        env={**variables, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    if answer:
        os.write(ours, answer.encode())
    screen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        screen += part
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.decode())
    return process.wait(60), text.replace("\r\n", "\n")


@pytest.fixture(scope="module")
def answered_shop(sent_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop some moments after its campaign: a third of all customers ordered again."""
    root = tmp_path_factory.mktemp("answered") / "shop"
    shutil.copytree(sent_shop.root, root)
    time.sleep(1.1)
    now = datetime.now(ZoneInfo("Europe/Stockholm")).strftime("%Y-%m-%d %H:%M:%S")
    lines = [f"N-{n},C-{n},{now},{1000 + n * 7 % 90}.00,garden,1" for n in range(1, 301) if n % 3]
    (root / "new.csv").write_text(
        "\n".join(["order_id,customer_id,ordered_at,total,category,items", *lines]) + "\n"
    )
    shop = Shop(root)
    shop.ok("import", "new.csv", "--as", "orders")
    return shop


@pytest.mark.parametrize("columns", [80, 100])
def test_the_tables_of_a_report_fit(answered_shop: Shop, columns: int) -> None:
    code, screen = in_terminal(answered_shop, "report", "spring_winback", columns=columns)
    assert code == 0
    table = screen.partition("effects, per customer")[2].splitlines()
    assert max(len(line.rstrip()) for line in table) <= columns
    assert "…" not in screen
    assert "against holdout" in screen, "an arm and what it is held against stand on one line"
    assert re.search(r"\(\d+\.\d\d to \d|\(-\d+\.\d\d to ", screen), "limits stand on one line"


@pytest.fixture(scope="module")
def screens(answered_shop: Shop) -> dict[str, str]:
    """What stands on the screen after each of the commands that only look, one after the other in one process."""
    code, screen = screen_of(
        answered_shop,
        "-c",
        "from tidings.cli.main import execute\n"
        f"for one in {LOOKED_AT!r}:\n    print('\\f', execute(one.split()), flush=True)",
    )
    assert code == 0, screen
    parts = re.split(r"\f (\d+)\n", screen)
    assert parts[1::2] == ["0"] * len(LOOKED_AT), screen
    return dict(zip(LOOKED_AT, parts[::2], strict=False))


@pytest.mark.parametrize("arguments", LOOKED_AT)
def test_nothing_is_cut_off(screens: dict[str, str], arguments: str) -> None:
    shown = screens[arguments].splitlines()
    assert shown != []
    cut = [line for line in shown if "…" in line and not line.startswith("… and ")]
    assert cut == []


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_a_run_that_is_not_agreed_to_sends_nothing(shop: Shop, answer: str) -> None:
    code, screen = in_terminal(shop, "run", "spring_winback", answer=answer)
    assert code == 0
    assert "write files to the outbox for" in screen
    assert "nothing was sent" in screen
    assert shop.outbox() == []


def test_a_run_that_is_agreed_to_goes_out(shop: Shop) -> None:
    code, screen = in_terminal(shop, "run", "spring_winback", answer="y\n")
    assert code == 0
    assert "is out" in screen
    assert shop.outbox() != []


def test_a_run_with_nobody_to_ask_is_refused(shop: Shop) -> None:
    said = shop.run("run", "spring_winback")
    assert said.code == 2
    assert "there is nobody to ask" in said.err
    assert shop.outbox() == []
