"""What `tidings deploy` asks of a Prefect server: is it there, a work pool, the deployments, the watch over heartbeats."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from tidings.clock import Clock
from tidings.config.settings import Settings
from tidings.errors import TidingsError, UsageError
from tidings.flows.clock_lock import PREFECT
from tidings.flows.prefect_file import FILE, HEARTBEAT_SECONDS

URL = "PREFECT_API_URL"
WATCH = "tidings: crash flow runs without a heartbeat"
_ANSWER_SECONDS = 5.0
_DEPLOY_SECONDS = 300.0
# Ours say nothing to anybody about this machine.
QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "NO_COLOR": "1"}


def server_url(variables: Mapping[str, str] | None = None) -> str:
    """Return the address of the Prefect server, checked to answer. Raises UsageError when there is none."""
    url = (os.environ if variables is None else variables).get(URL, "").strip().rstrip("/")
    if not url:
        raise UsageError(
            f"`clock: prefect` needs a Prefect server, and the variable {URL} is not set",
            what_to_do=f"start one (`python -m tidings.flows.prefect_serving`) and export {URL}=http://HOST:4200/api",
            code="prefect-unreachable",
        )
    if trouble := why_unreachable(url):
        raise UsageError(
            f"no Prefect server answers at {_shown(url)} ({trouble})",
            what_to_do=f"start it, or correct {URL}; it ends in /api",
            code="prefect-unreachable",
        )
    return url


def why_unreachable(url: str) -> str:
    """Return why no Prefect server can be reached at an address, empty when one answers."""
    if not url.startswith(("http://", "https://")):
        return "it is no web address"
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
            return "" if answer.status == 200 else f"it answers {answer.status}"
    except urllib.error.HTTPError as error:
        # One that wants to know who asks is there all the same.
        return "" if error.code in (401, 403) else f"it answers {error.code}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        # "connection refused", without the number that the system has for it.
        return str(getattr(reason, "strerror", None) or reason).lower()


def clock_lines(settings: Settings, variables: Mapping[str, str] | None = None) -> list[str]:
    """Return what an operator of `tidings serve` should know about Prefect as the clock; nothing where it is not.

    The tracker runs all the same: clicks and unsubscribes must not wait for a Prefect server.
    """
    if settings.definitions.workspace.clock != PREFECT:
        return []
    lines = ["Prefect owns the clock of this workspace: `tidings deploy` registers what it wakes"]
    url = (os.environ if variables is None else variables).get(URL, "").strip().rstrip("/")
    if not url:
        lines.append(
            f"WARNING  {URL} is not set here, so nobody can tell whether a Prefect server runs; without one nothing is sent"
        )
    elif trouble := why_unreachable(url):
        lines.append(
            f"WARNING  no Prefect server answers at {_shown(url)} ({trouble}); nothing is sent until one does"
        )
    return lines


def prefect_version() -> str:
    """Return the version of Prefect that is installed."""
    from importlib.metadata import version

    return version("prefect")


def ensure_pool(name: str) -> bool:
    """Make the work pool of processes unless there is one of that name; return whether it was made."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            pool = client.read_work_pool(name)
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=name, type="process"))
            return True
    if pool.type != "process":
        raise UsageError(
            f'the work pool "{name}" is of the type {pool.type}',
            what_to_do="choose another name with --pool: tidings runs in a pool of the type process",
        )
    return False


def register(root: Path) -> None:
    """Register every deployment of prefect.yaml by Prefect's own command. Raises TidingsError with what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", FILE],
        cwd=root,
        env={**os.environ, **QUIET},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_DEPLOY_SECONDS,
        check=False,
    )
    if done.returncode:
        words = " ".join((done.stderr.strip() or done.stdout.strip()).split())
        raise TidingsError(
            f"the command of Prefect ended with {done.returncode}: {words[-400:]}",
            what_to_do="its whole answer: prefect --no-prompt deploy --all",
            code="prefect-refused",
        )


def schedules_come(deployment: str, clock: Clock, seconds: float = 25.0) -> bool:
    """Wait until the server has planned runs of a deployment (flow/deployment); tell whether it does so at all."""
    from prefect.client.orchestration import get_client

    ends = clock.monotonic() + seconds
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(deployment)
        while True:
            if client.get_scheduled_flow_runs_for_deployments([found.id]):
                return True
            if clock.monotonic() >= ends:
                return False
            clock.sleep(1.0)


def ensure_watch() -> bool:
    """Install the automation that crashes flow runs whose heartbeat stopped; return whether it is new.

    A flow run that is killed together with its worker would otherwise be "Running" for ever. Three beats may be missed.
    """
    from prefect.automations import Automation
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import EventTrigger, Posture

    wanted: dict[str, Any] = {
        "name": WATCH,
        "description": "Written by `tidings deploy`.",
        "trigger": EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={f"prefect.flow-run.{one}" for one in ("heartbeat", *_OVER)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=3 * HEARTBEAT_SECONDS),
        ),
        "actions": [
            ChangeFlowRunState(
                name=None,
                state=StateType.CRASHED,
                message="no heartbeat: its worker is gone; the ledger goes on",
                force=False,
            )
        ],
    }
    try:
        known: Any = Automation
        known.read(name=WATCH)
    except ValueError:
        made: Any = Automation(**wanted)
        made.create()
        return True
    return False


_OVER = ("Completed", "Failed", "Cancelled", "Crashed")


def _shown(url: str) -> str:
    """Return the address without a password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
