"""The work of the night as a Prefect flow. It is yours: change the order, leave a step out, add your own.

`tidings deploy` registers it with the Prefect server, to run every night; to try it now:

    prefect deployment run nightly/NAME        # NAME as `tidings deploy` prints it

Each step opens the store by itself and may be repeated without harm, so Prefect may try it again when something was away.
What a step returns is a list of rows; `show_table` puts them on the page of the flow run.
"""

from __future__ import annotations

from prefect import flow

from tidings.flows.prefect_wrapping import (
    apply_scores,
    collect_receipts,
    deliver_due,
    judge_hits,
    learn_recommendations,
    plan_due,
    refresh_segments,
    report_runs,
    show_table,
)


@flow(name="nightly", retries=1, retry_delay_seconds=300)
def nightly(environment: str | None = None) -> None:
    """Apply scores, learn recommendations, refresh segments, plan what is due, deliver it, collect receipts, judge hits, report."""
    scores = apply_scores(environment)
    show_table(
        "scores", scores, "Who is likely to do what: customers with a score, and which were learnt anew"
    )

    learnt = learn_recommendations(environment)
    show_table("recommendations", learnt, "From how many orders it was learnt what is bought together")

    segments = refresh_segments(environment)
    show_table("segments", segments, "Who is in each segment, who came and who left since the last time")

    planned = plan_due(environment)
    show_table("planned", planned, "Recurring campaigns of the last day, and what became of them")

    delivered = deliver_due(environment)
    show_table("delivered", delivered, "What was sent tonight, by campaign")

    receipts = collect_receipts(environment)
    show_table("receipts", receipts, "How the messages of the last thirty days stand, by channel")

    judged = judge_hits(environment)
    show_table(
        "judged", judged, "Who opened and clicked in the last three days, judged again by what came late"
    )

    results = report_runs(environment)
    show_table("results", results, "What each campaign of the last thirty days caused")
