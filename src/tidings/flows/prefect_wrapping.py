"""The same work under Prefect: thin flows and tasks around plain functions. The only module here that imports prefect.

Prefect decides when, and on which machine. What is left to do, who does it and what was done stands in the store: a flow run
that is killed leaves claims whose leases run out, and the next tick, or the reconciler, goes on from there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Crashed

from tidings.errors import StoreError
from tidings.flows.clock_lock import PREFECT
from tidings.flows.nights import (
    Rows,
    hits_judged,
    occurrences_planned,
    receipts_collected,
    recommendations_learnt,
    runs_reported,
    scores_applied,
    segments_refreshed,
)
from tidings.flows.opening import opened
from tidings.flows.shares import SHARE, deliver_share, locked_round, open_runs
from tidings.flows.ticking import Sent, send_in_turns
from tidings.flows.work_runs import mark_lost

TAG = "tidings"
# Trouble that passes: the store or a provider is away for a moment.
_AGAIN = [5.0, 30.0, 120.0]
# A flow run that waits for its worker, or for its time, longer than this has lost it.
_STUCK = timedelta(minutes=5)
_OVER = "its time is over; the next tick does the work"


def _passes(task_: Any, run: Any, state: Any) -> bool:
    """Tell whether trouble may pass by itself: the store or the network was away. A wrong definition stays wrong."""
    try:
        state.result()
    except (StoreError, OSError):
        return True
    except Exception:
        return False
    return False


@task(name="round", retry_condition_fn=_passes, retries=2, retry_delay_seconds=[5.0, 15.0])
def do_round(environment: str | None = None, root: str | None = None) -> dict[str, Any]:
    """Do one round of scheduled work, unless another one is under way."""
    with opened(environment, root) as here:
        result = locked_round(here, kind=PREFECT)
    return {
        "done": result.done,
        "outcome": result.outcome,
        "held": result.held,
        "troubles": list(result.troubles),
    }


@task(name="deliver batch", retry_condition_fn=_passes, retries=3, retry_delay_seconds=_AGAIN)
def deliver_batch(
    run_id: int, at_most: int = SHARE, environment: str | None = None, root: str | None = None
) -> dict[str, Any]:
    """Send about `at_most` messages of one run by claims of this process, beside whoever else sends it."""
    with opened(environment, root) as here:
        return deliver_share(here, run_id, at_most)


@flow(name="tidings-tick")
def tick(
    environment: str | None = None,
    root: str | None = None,
    at_most: int = SHARE,
    senders: int = 4,
    seconds: float = 600.0,
) -> dict[str, Any]:
    """Wake everything that is due: one round, then what is to be sent, in batches of `at_most` messages.

    A run that has `senders` senders already is left to them. After `seconds` no batch is begun any more: the next tick goes on.
    """
    logger = get_run_logger()
    told = do_round(environment, root)
    for line in told["troubles"]:
        logger.warning(line)
    sent = _send(environment, root, at_most=at_most, senders=senders, seconds=seconds)
    for name, words in sent.troubles.items():
        logger.warning("%s: %s", name, words)
    logger.info("%s; %s", told["outcome"] or told["held"] or "no round was due", sent.words())
    return {**told, "sent": sent.sent}


@flow(name="tidings-reconcile")
def reconcile(environment: str | None = None, root: str | None = None) -> dict[str, Any]:
    """Put right what killed processes left: lost work, claims without a holder, flow runs that wait for a dead worker."""
    with opened(environment, root) as here:
        lost = mark_lost(here.store, here.clock.now())
    sent = _send(environment, root, only_left=True)
    freed = let_go()
    get_run_logger().info("%d rows of work lost, %s, %d flow runs let go", lost, sent.words(), freed)
    return {"lost": lost, "sent": sent.sent, "let_go": freed}


@task(name="let go of stuck flow runs")
def let_go() -> int:
    """Crash flow runs of ours whose worker took them and is gone, drop ticks that came too late; return how many.

    The night's work is never dropped for being late: nothing else does it.
    """
    from tidings.clock import SystemClock

    before: Any = SystemClock().now() - _STUCK
    ours = FlowFilter(name=FlowFilterName(any_=[tick.name, reconcile.name]))
    gone = 0
    with get_client(sync_client=True) as client:
        for type_, flows, state in (
            (StateType.PENDING, None, Crashed),
            (StateType.SCHEDULED, ours, Cancelled),
        ):
            runs = client.read_flow_runs(
                flow_filter=flows,
                flow_run_filter=FlowRunFilter(
                    tags=FlowRunFilterTags(all_=[TAG]),
                    state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[type_])),
                    expected_start_time=FlowRunFilterExpectedStartTime(before_=before),
                ),
                limit=200,
            )
            for run in runs:
                # One that waited long for a worker may have found it a second ago.
                if type_ is StateType.PENDING and run.state is not None and run.state.timestamp > before:
                    continue
                client.set_flow_run_state(run.id, state(message=_OVER), force=True)
                gone += 1
    return gone


@task(name="refresh segments", retry_condition_fn=_passes, retries=2, retry_delay_seconds=60)
def refresh_segments(environment: str | None = None, root: str | None = None) -> Rows:
    """Compute every segment anew: who is in it, who came, who left."""
    with opened(environment, root) as here:
        return segments_refreshed(here)


@task(name="apply scores", retry_condition_fn=_passes, retries=2, retry_delay_seconds=60)
def apply_scores(environment: str | None = None, root: str | None = None) -> Rows:
    """Give customers their scores as of tonight, trained anew where it is time."""
    with opened(environment, root) as here:
        return scores_applied(here)


@task(name="learn recommendations", retry_condition_fn=_passes, retries=2, retry_delay_seconds=60)
def learn_recommendations(environment: str | None = None, root: str | None = None) -> Rows:
    """Learn what is bought together and what sells best, for messages that recommend products."""
    with opened(environment, root) as here:
        return recommendations_learnt(here)


@task(name="plan due", retry_condition_fn=_passes, retries=2, retry_delay_seconds=60)
def plan_due(environment: str | None = None, root: str | None = None) -> Rows:
    """Plan and start every recurring campaign that is due."""
    with opened(environment, root) as here:
        return occurrences_planned(here)


def deliver_due(environment: str | None = None, root: str | None = None) -> Rows:
    """Send what is due of every run, in batches; one row a run."""
    return _send(environment, root).rows()


@task(name="collect receipts", retry_condition_fn=_passes, retries=2, retry_delay_seconds=60)
def collect_receipts(environment: str | None = None, root: str | None = None) -> Rows:
    """Ask every channel what became of its messages; how they stand, by channel."""
    with opened(environment, root) as here:
        return receipts_collected(here)


@task(name="judge hits", retry_condition_fn=_passes, retries=2, retry_delay_seconds=60)
def judge_hits(environment: str | None = None, root: str | None = None) -> Rows:
    """Judge again who opened and clicked in the last three days, now that receipts and orders are in."""
    with opened(environment, root) as here:
        return hits_judged(here)


@task(name="report", retry_condition_fn=_passes, retries=2, retry_delay_seconds=60)
def report_runs(environment: str | None = None, root: str | None = None) -> Rows:
    """Say what each campaign of the last thirty days caused."""
    with opened(environment, root) as here:
        return runs_reported(here)


def show_table(key: str, rows: Rows, description: str) -> None:
    """Show rows as a table artifact of the flow run; `key` is of small letters, digits and dashes."""
    create_table_artifact(key=key, table=rows or [{"nothing": "to show"}], description=description)


def _send(
    environment: str | None,
    root: str | None,
    *,
    at_most: int = SHARE,
    senders: int = 4,
    seconds: float = 3600.0,
    only_left: bool = False,
) -> Sent:
    """Send in turns, a task a batch, with a progress artifact as soon as there is something to show."""
    shown: list[Any] = []

    def progress(percent: float) -> None:
        if not shown:
            shown.append(create_progress_artifact(percent, key="sending", description="messages settled"))
        else:
            update_progress_artifact(shown[0], percent)

    def look() -> list[Any]:
        with opened(environment, root) as here:
            return open_runs(here)

    return send_in_turns(
        look,
        lambda run_id: deliver_batch(run_id, at_most, environment, root),
        progress=progress,
        senders=senders,
        seconds=seconds,
        only_left=only_left,
    )
