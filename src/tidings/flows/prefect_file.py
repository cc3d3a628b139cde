"""prefect.yaml of a workspace: which flows a Prefect server wakes, when, and where they run."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tidings.config.settings import Settings
from tidings.errors import TidingsError

FILE = "prefect.yaml"
# Installed with us, so that every worker has them; the night's flow lies in the workspace and is the reader's own.
TICK = "tidings.flows.prefect_wrapping.tick"
RECONCILE = "tidings.flows.prefect_wrapping.reconcile"
NIGHTLY = "flows/nightly.py"
HEARTBEAT_SECONDS = 30
_HEAD = (
    "# Written by `tidings deploy`, which writes it anew as long as nobody changed it by hand ({mark}).\n"
    "# To change schedules use its options; with --force it is written over.\n"
)
_MARK = re.compile(r"\(([0-9a-f]{12})\)")


@dataclass(frozen=True, slots=True)
class Schedules:
    """How often a tick comes and what is left behind is put right (seconds), and when the night's work begins (HH:MM)."""

    tick: int = 60
    reconcile: int = 120
    nightly: str = "02:30"
    pool: str = "tidings"


def deployment_names(settings: Settings) -> dict[str, str]:
    """Return the deployments by what they do, each as Prefect writes it: flow/deployment."""
    name = f"{settings.definitions.workspace.id}-{settings.environment.name}"
    names = {"tick": f"tidings-tick/{name}", "reconcile": f"tidings-reconcile/{name}"}
    if (settings.root / NIGHTLY).is_file():
        names["nightly"] = f"nightly/{name}"
    return names


def content(settings: Settings, schedules: Schedules, *, version: str) -> str:
    """Return prefect.yaml for a workspace; `version` is Prefect's own. The night's flow is left out where its file is missing."""
    workspace, environment = settings.definitions.workspace, settings.environment.name
    names = {kind: full.split("/")[1] for kind, full in deployment_names(settings).items()}
    hour, minute = (int(part) for part in schedules.nightly.split(":"))
    wanted = [
        ("tick", TICK, {"interval": schedules.tick}),
        ("reconcile", RECONCILE, {"interval": schedules.reconcile}),
        (
            "nightly",
            f"{NIGHTLY}:nightly",
            {"cron": f"{minute} {hour} * * *", "timezone": workspace.zone},
        ),
    ]
    deployments = [
        {
            "name": names[kind],
            "description": WHAT[kind],
            "entrypoint": entrypoint,
            "parameters": {"environment": environment},
            "schedules": [schedule],
            "tags": ["tidings"],
            "work_pool": {
                "name": schedules.pool,
                "job_variables": {
                    "env": {
                        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
                        "DO_NOT_TRACK": "1",
                    }
                },
            },
        }
        for kind, entrypoint, schedule in wanted
        if kind in names
    ]
    whole: dict[str, Any] = {
        "name": workspace.id,
        "prefect-version": version,
        "build": None,
        "push": None,
        "pull": [{"prefect.deployments.steps.set_working_directory": {"directory": str(settings.root)}}],
        "deployments": deployments,
    }
    body = yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=100)
    return _HEAD.format(mark=_mark(body)) + body


def write(settings: Settings, text: str, *, force: bool = False) -> Path:
    """Write prefect.yaml; raises TidingsError when somebody changed it by hand, unless `force`."""
    path = settings.root / FILE
    if path.exists() and not force:
        old = path.read_text(encoding="utf-8")
        found = _MARK.search(old.splitlines()[0]) if old.strip() else None
        body = "".join(line for line in old.splitlines(keepends=True) if not line.startswith("# "))
        if old.strip() and (found is None or found[1] != _mark(body)):
            raise TidingsError(
                f"{FILE} was changed by hand since `tidings deploy` wrote it, or is not ours",
                what_to_do="register it as it is with `tidings deploy --as-is`, or write it over with --force",
                code="prefect-changed",
            )
    path.write_text(text, encoding="utf-8")
    return path


WHAT = {
    "tick": "Moves flows on, starts campaigns that are due and sends; several workers share the sending.",
    "reconcile": "Takes over what a killed worker left half done; nobody gets a letter twice.",
    "nightly": "Segments, campaigns due, delivery, receipts, late judgements, a report: flows/nightly.py, which is yours to change.",
}


def _mark(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:12]
