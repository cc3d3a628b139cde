"""The `tidings` command in a workspace on disk, in this process or as its own, and the files of a small shop for it.

The command goes by the machine's clock, so the dates in the files are counted back from today.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support.shop import copy_workspace
from tidings.cli.main import execute

CUSTOMERS = 300
LAPSED = 180
_COLUMNS = (
    "customer_id,email,phone,locale,time_zone,country,name,birthday,member_level,interests,lifetime_value,"
    "last_order_at,orders,newsletter,sms_ok,"
    # The other columns of the starter's mapping; nothing stands in them here.
    "fax,account,account_type,first_name,last_name,gender,preferred_channel,fax_ok,garden_letter,trade_ok"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered: exit code, output and errors."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Return the output read as JSON."""
        return json.loads(self.out)


class Shop:
    """A copied workspace, the command run in it, and the files it imports.

    The command is run inside the process of the tests: a new one costs most of a second to load what is loaded here. Where a
    process has to be hurt, or its start is part of what is shown, `apart` is the same shop with processes of its own.
    """

    def __init__(self, root: Path, *, apart: bool = False) -> None:
        self.root = root
        self.variables: dict[str, str] = {}
        self._apart = apart

    @property
    def apart(self) -> Shop:
        """The shop with each command as a process of its own."""
        shop = Shop(self.root, apart=True)
        shop.variables = self.variables
        return shop

    def run(
        self,
        *arguments: str,
        before: Callable[[], None] | None = None,
        timeout: float = 60,
        variables: Mapping[str, str] | None = None,
        feed: str = "",
    ) -> Said:
        """Run `tidings ARGUMENTS` and return what it answered; a traceback fails the test at once.

        What is to happen in the process `before` the command needs a process of its own.
        """
        if not self._apart and before is None:
            return self._here(arguments, self._environment(variables), feed)
        done = subprocess.run(
            [sys.executable, "-m", "tidings.cli.main", *arguments],
            cwd=self.root,
            env=self._environment(variables),
            capture_output=True,
            text=True,
            timeout=timeout,
            preexec_fn=before,
            input=feed,
            check=False,
        )
        said = Said(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in said.err + said.out, said.err
        return said

    def _here(self, arguments: tuple[str, ...], environment: dict[str, str], feed: str) -> Said:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        typed = io.TextIOWrapper(io.BytesIO(feed.encode()), "utf-8")
        with (
            patch.dict(os.environ, environment, clear=True),
            patch.object(sys, "stdin", typed),
            chdir(self.root),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = execute(arguments)
        said, wrong = (one.buffer.getvalue().decode() for one in (out, err))
        return Said(code, said, wrong)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `tidings ARGUMENTS` and return the process; the test ends it."""
        return subprocess.Popen(
            [sys.executable, "-m", "tidings.cli.main", *arguments],
            cwd=self.root,
            env=self._environment(None),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _environment(self, variables: Mapping[str, str] | None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
        return {**kept, "COLUMNS": "80", **self.variables, **(variables or {})}

    def ok(self, *arguments: str) -> Said:
        """Run a command that must succeed."""
        said = self.run(*arguments)
        assert said.code == 0, (arguments, said)
        return said

    def filled(self) -> Shop:
        """Import the customers and orders of the shop."""
        write_customers(self.root / "customers.csv")
        write_orders(self.root / "orders.csv")
        self.ok("import", "customers.csv", "--as", "customers")
        self.ok("import", "orders.csv", "--as", "orders")
        return self

    def change(self, path: str, old: str, new: str) -> None:
        """Replace a piece of one of the files; it must be there."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert old in text, (path, old)
        file.write_text(text.replace(old, new), encoding="utf-8")

    def mails_by_smtp(self, port: int, **options: object) -> None:
        """Let the development environment send to a mail server on this machine."""
        self.change("config/workspace.yaml", "outbox: true ", "outbox: false ")
        self.change("channels/email.yaml", "port: 2525", f"port: {port}")
        more = "".join(f"  {name}: {value}\n" for name, value in options.items())
        self.change("channels/email.yaml", "  tls: none", f"{more}  tls: none")

    def outbox(self) -> list[str]:
        """Return the recipient of each message in the outbox."""
        files = sorted((self.root / ".tidings" / "outbox").glob("*.eml"))
        return [recipient(file.read_bytes()) for file in files]

    def store_file(self) -> Path:
        """Return the development store."""
        return self.root / ".tidings" / "development.sqlite"


def new_shop(folder: Path) -> Shop:
    """Copy the workspace at the root of the repository."""
    return Shop(copy_workspace(folder))


def recipient(message: bytes) -> str:
    """Return the address that a message is written to."""
    found = re.search(rb"(?im)^To:.*?([\w.+-]+@[\w.-]+)", message)
    assert found is not None
    return found[1].decode()


def write_customers(path: Path, count: int = CUSTOMERS, *, lapsed: int = LAPSED, start: int = 1) -> None:
    """Write `count` customers; the first `lapsed` ordered 200 days ago, the others 10; every tenth never agreed."""
    rows = [_COLUMNS]
    for n in range(start, start + count):
        rows.append(
            f"C-{n},c{n}@customers.example,,{('en', 'zh-TW', 'ru')[n % 3]},Europe/Stockholm,SE,Customer {n},1980-05-{n % 28 + 1:02},"
            f"{('basic', 'silver', 'gold')[n % 3]},{'roses;tea' if n % 4 else 'tools'},{100 + n}.50,"
            f"{_day(200 if n <= lapsed else 10)},{2 if n <= lapsed else 1},{'no' if n % 10 == 0 else 'yes'},no{',' * 10}"
        )
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_orders(path: Path, count: int = CUSTOMERS, *, lapsed: int = LAPSED) -> None:
    """Write two old orders for each lapsed customer and one fresh one for the others."""
    rows = ["order_id,customer_id,ordered_at,total,category,items"]
    for n in range(1, count + 1):
        for turn, days in enumerate((200, 400) if n <= lapsed else (10,)):
            rows.append(f"O-{n}-{turn},C-{n},{_day(days)} 12:00:00,{50 + n % 30}.00,garden,2")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def sendable() -> int:
    """Return how many of the customers are lapsed and agreed."""
    return LAPSED - LAPSED // 10


def _day(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()
