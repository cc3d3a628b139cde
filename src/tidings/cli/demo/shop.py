"""The demo's workspace: the starter with a channel to the sink, and a clock that runs two weeks behind."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from tidings.clock import SystemClock
from tidings.config.starter import copy_starter
from tidings.errors import UsageError

ENVIRONMENT = "development"
BEHIND = timedelta(days=15)
_MARK = "made-by-tidings-demo"
# Gives some customers a letter whose unsubscribe link they use later, while the campaign itself is going out.
EARLIER = "early_letter"
_EARLIER = """\
campaign: A letter to early birds
purpose: marketing
to:
  where:
    - interests: early birds
send: spring_winback
via: email
holdout: none
variants:
  plain:
    say:
      headline: The garden wakes up
"""


class ClockBehind(SystemClock):
    """The machine's clock, a fixed time behind: what goes out now was sent two weeks ago, so its window is over."""

    def now(self) -> datetime:
        """Return the business time of the demo."""
        return super().now() - BEHIND


def make_workspace(folder: Path) -> None:
    """Start the demo's workspace anew; only a folder that an earlier demo made is ever replaced."""
    if folder.exists():
        if not (folder / _MARK).exists():
            raise UsageError(
                f"{folder} was not made by the demo, so it is left alone", what_to_do="name another --folder"
            )
        shutil.rmtree(folder)
    copy_starter(folder)
    (folder / _MARK).touch()
    (folder / "campaigns" / f"{EARLIER}.yaml").write_text(_EARLIER, encoding="utf-8")
    workspace = folder / "config" / "workspace.yaml"
    lines = workspace.read_text(encoding="utf-8").splitlines()
    # A salt of its own every time would draw other arms; the demo is the same for everybody.
    lines = ["salt: demo-of-tidings" if line.startswith("salt:") else line for line in lines]
    # Development writes files; the demo wants real SMTP, to a sink on this machine.
    lines = ["    outbox: false" if line.startswith("    outbox:") else line for line in lines]
    workspace.write_text("\n".join(lines) + "\n", encoding="utf-8")


def point_channel_at(folder: Path, port: int) -> None:
    """Write the port of the sink into channels/email.yaml."""
    _replace(folder / "channels" / "email.yaml", "  port: ", f"  port: {port}")


def point_links_at(folder: Path, address: str) -> None:
    """Write the tracker's address into config/workspace.yaml."""
    _replace(folder / "config" / "workspace.yaml", "public_url: ", f"public_url: {address}")


def _replace(path: Path, start: str, line: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text(
        "\n".join(line if one.startswith(start) else one for one in lines) + "\n", encoding="utf-8"
    )
