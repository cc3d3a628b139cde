"""The definitions that a run recorded when it started: it is sent with them, whatever the files say by now."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import sqlalchemy as sa

from tidings.definitions.loader import load
from tidings.definitions.workspace import Definitions
from tidings.errors import DefinitionErrors, StoreError, UsageError
from tidings.store.artifacts import get
from tidings.store.database import Store
from tidings.store.tables import sending

_ROLE = "file:"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run with the definitions and the template bytes that it recorded; `templates` by file name of its folder."""

    run_id: int
    campaign: str
    occurrence: str
    definition_hash: str
    policy_hash: str
    definitions: Definitions
    templates: Mapping[str, bytes]


def recorded(store: Store, run_id: int) -> Recorded:
    """Load the definitions of a run from the artifacts it recorded.

    Raises UsageError when there is no such run, StoreError when what it recorded is incomplete.
    """
    with store.read() as connection:
        run = connection.execute(sa.select(sending.runs).where(sending.runs.c.id == run_id)).first()
        if run is None:
            raise UsageError(f"there is no run {run_id} in the store")
        rows = connection.execute(
            sa.select(sending.run_artifacts.c.role, sending.run_artifacts.c.sha256).where(
                sending.run_artifacts.c.run_id == run_id
            )
        ).all()
        files = {
            row.role.removeprefix(_ROLE): get(connection, row.sha256)
            for row in rows
            if row.role.startswith(_ROLE)
        }
    definitions = _load(files, run.campaign)
    folder = f"templates/{definitions.campaigns[run.campaign].send}/"
    templates = {
        path.removeprefix(folder): content for path, content in files.items() if path.startswith(folder)
    }
    return Recorded(
        run_id, run.campaign, run.occurrence, run.definition_hash, run.policy_hash, definitions, templates
    )


def _load(files: Mapping[str, bytes], campaign: str) -> Definitions:
    """Load files as a workspace of their own; the folder is gone afterwards, the definitions stay."""
    with tempfile.TemporaryDirectory(prefix="tidings-run-") as folder:
        root = Path(folder)
        for path, content in files.items():
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise _incomplete(campaign, f"a file was recorded as {path}")
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        try:
            definitions = load(root)
        except DefinitionErrors as error:
            first = error.problems[0]
            raise _incomplete(campaign, f"{first.at.path}: {first.message}") from error
    if campaign not in definitions.campaigns:
        raise _incomplete(campaign, "the campaign's own file is missing")
    return replace(definitions, root="")


def _incomplete(campaign: str, why: str) -> StoreError:
    return StoreError(
        f"what the run of {campaign} recorded cannot be read: {why}",
        what_to_do="`tidings verify` checks what the runs recorded; nothing was sent",
        code="run-artifacts",
    )
