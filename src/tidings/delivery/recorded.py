"""The definitions that a run recorded when it started: it is sent with them, whatever the files say by now.

A flow records them once a version; whoever was sent to by a version is written to in its words.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.steps import ONLY_STEP, as_campaign, send_steps, with_step
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.rules import Purpose
from tidings.definitions.loader import load_apart
from tidings.definitions.workspace import Definitions
from tidings.errors import DefinitionErrors, StoreError, UsageError
from tidings.store.artifacts import get
from tidings.store.database import Store
from tidings.store.tables import journeys, sending

_ROLE = "file:"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run with the definitions and the template bytes that it recorded; `templates` by file name of its folder.

    Of a flow these are those of one `version`. `step` is then the step that is meant by `campaign_of()`, whose campaign is
    among the definitions and whose templates are these; empty for the flow as a whole.
    """

    run_id: int
    campaign: str
    occurrence: str
    definition_hash: str
    policy_hash: str
    definitions: Definitions
    templates: Mapping[str, bytes]
    kind: str = "campaign"
    version: int = 1
    step: str = ONLY_STEP
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def is_flow(self) -> bool:
        """Tell whether it is the run of a flow."""
        return self.kind == "flow"

    def steps(self) -> tuple[str, ...]:
        """Return the names of the steps that send; that of a campaign is `main`."""
        if not self.is_flow:
            return (ONLY_STEP,)
        return tuple(step.name for step in send_steps(self.definitions.flows[self.campaign]))

    def campaign_of(self, step: str = "") -> Campaign:
        """Return the campaign that is sent, or that a step of a flow is; UsageError for a step that sends nothing."""
        if not self.is_flow:
            return self.definitions.campaigns[self.campaign]
        flow = self.definitions.flows[self.campaign]
        found = flow.step(step or self.step)
        if found is None or found.verb != "send":
            raise UsageError(
                f"version {self.version} of {self.campaign} has no step {step or self.step} that sends"
            )
        return as_campaign(flow, found, self.definitions)

    def of_step(self, step: str) -> Recorded:
        """Return the same with one step's campaign among the definitions and its templates: what a message is written from."""
        if not self.is_flow:
            return self
        flow = self.definitions.flows[self.campaign]
        campaign, found = self.campaign_of(step), flow.step(step)
        assert found is not None
        return replace(
            self,
            step=step,
            definitions=with_step(self.definitions, flow, found),
            templates=_of_folder(self.files, campaign.send),
        )

    def purpose_of(self, step: str = "") -> Purpose:
        """Return the purpose of the campaign, or of a step; UsageError when the policies recorded do not know it."""
        name = self.campaign_of(step).purpose
        purpose = self.definitions.policies.purpose(name)
        if purpose is None:
            raise UsageError(f"the purpose of {self.campaign} is not in the policies that its run recorded")
        return purpose


def recorded(store: Store, run_id: int, version: int | None = None) -> Recorded:
    """Load the definitions of a run from the artifacts it recorded; of a flow those of a version, the latest if None.

    Raises UsageError when there is no such run or version, StoreError when what it recorded is incomplete.
    """
    with store.read() as connection:
        run = connection.execute(sa.select(sending.runs).where(sending.runs.c.id == run_id)).first()
        if run is None:
            raise UsageError(f"there is no run {run_id} in the store")
        if run.kind == "flow":
            return _flow(connection, run, run.version if version is None else version)
        files = _files(connection, run_id, _ROLE)
    definitions = _load(files, run.campaign)
    if run.campaign not in definitions.campaigns:
        raise _incomplete(run.campaign, "the campaign's own file is missing")
    templates = _of_folder(files, definitions.campaigns[run.campaign].send)
    return Recorded(
        run_id, run.campaign, run.occurrence, run.definition_hash, run.policy_hash, definitions, templates
    )


def _flow(connection: sa.Connection, run: Any, version: int) -> Recorded:
    versions = journeys.flow_versions
    approved = connection.execute(
        sa.select(versions).where(versions.c.run_id == run.id, versions.c.version == version)
    ).first()
    if approved is None:
        raise UsageError(f"the flow {run.campaign} has no version {version}")
    files = _files(connection, run.id, _ROLE if version == 1 else f"{version}/{_ROLE}")
    definitions = _load(files, run.campaign)
    if run.campaign not in definitions.flows:
        raise _incomplete(run.campaign, "the flow's own file is missing")
    return Recorded(
        run.id,
        run.campaign,
        run.occurrence,
        approved.definition_hash,
        approved.policy_hash,
        definitions,
        {},
        kind="flow",
        version=version,
        step="",
        files=files,
    )


def _files(connection: sa.Connection, run_id: int, role: str) -> dict[str, bytes]:
    artifacts = sending.run_artifacts
    rows = connection.execute(
        sa.select(artifacts.c.role, artifacts.c.sha256).where(artifacts.c.run_id == run_id)
    ).all()
    return {
        row.role.removeprefix(role): get(connection, row.sha256) for row in rows if row.role.startswith(role)
    }


def _of_folder(files: Mapping[str, bytes], send: str) -> dict[str, bytes]:
    folder = f"templates/{send}/"
    return {path.removeprefix(folder): content for path, content in files.items() if path.startswith(folder)}


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
            definitions = load_apart(root)
        except DefinitionErrors as error:
            first = error.problems[0]
            raise _incomplete(campaign, f"{first.at.path}: {first.message}") from error
    return replace(definitions, root="")


def _incomplete(campaign: str, why: str) -> StoreError:
    return StoreError(
        f"what the run of {campaign} recorded cannot be read: {why}",
        what_to_do="`tidings verify` checks what the runs recorded; nothing was sent",
        code="run-artifacts",
    )
