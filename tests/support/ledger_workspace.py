"""The workspace of the repository in a folder of its own, and a run that recorded its files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import sqlalchemy as sa

from support.ledger_world import World, seed
from tidings.clock import to_micros
from tidings.store.artifacts import put
from tidings.store.database import Store
from tidings.store.tables import sending

ROOT = Path(__file__).resolve().parents[2]
CAMPAIGN = "spring_winback"


def copy_workspace(folder: Path) -> Path:
    """Copy config, segments, campaigns, channels and templates; the campaign goes out by e-mail alone."""
    for name in ("config", "segments", "campaigns", "channels", "templates"):
        shutil.copytree(ROOT / name, folder / name)
    path = folder / "campaigns" / f"{CAMPAIGN}.yaml"
    path.write_text(re.sub(r"(?m)^via: .*$", "via: email", path.read_text()))
    return folder


def rewrite(path: Path, old: str, new: str) -> None:
    """Replace a text in a file that must hold it."""
    text = path.read_text()
    assert old in text, f"{path} does not hold {old!r}"
    path.write_text(text.replace(old, new))


def recorded_run(store: Store, root: Path, people: int) -> World:
    """Seed a run of the campaign, half of it in each variant, that recorded the files as they are now."""
    world = seed(store, people, campaign=CAMPAIGN)
    at = to_micros(store.clock.now())
    with store.durable("test") as connection:
        for path in sorted(root.rglob("*")):
            if path.is_file() and not path.relative_to(root).parts[0].startswith("."):
                sha = put(connection, "file", path.read_bytes(), at)
                connection.execute(
                    sa.insert(sending.run_artifacts).values(
                        run_id=world.run_id, role=f"file:{path.relative_to(root)}", sha256=sha
                    )
                )
        for parity, name in enumerate(("warm", "direct")):
            for table in (sending.messages, sending.enrolments):
                connection.execute(
                    sa.update(table)
                    .where(table.c.run_id == world.run_id, table.c.customer_id % 2 == parity)
                    .values(variant=name)
                )
    return world
