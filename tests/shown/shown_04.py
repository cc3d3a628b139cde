"""Claim, command, figure for scheduled work: recurring campaigns, flows, clocks, printed as a table: `make shown-04`.

Points on the command line show those alone: `python tests/shown/shown_04.py 3 6`. A row says NO when its command fails, when its
output lacks the figure, when a test was skipped, or when the figure is not what is claimed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shown.showing import PYTEST, Reader, Shown, claim, main, suite_figures
from shown.shown_03 import passed


def steps_of_flow(text: str, seconds: float) -> str:
    """Return how many steps of a starter flow are drawn, and that an answer to why was given."""
    drawn = len(re.findall(r"(?m)^\s*[│|╭┌].*", text))
    claim(drawn > 4, "the flow is not drawn")
    return f"{drawn} lines of boxes"


def bench_figures_of(word: str, least: int) -> Reader:
    """Return what reads the lines of a benchmark with a target; at least so many, and none of them missed."""

    def read(text: str, seconds: float) -> str:
        lines = [line.strip() for line in text.splitlines() if "target" in line]
        claim(len(lines) >= least, f"only {len(lines)} figures of {word}")
        missed = [line for line in lines if re.search(r"\bmissed\b|MISSED", line)]
        claim(not missed, "\n".join(missed))
        return "\n".join(lines)

    return read


ALONE = "python -m pytest -q -m 'alone and not nightly'"
FLOWS = f"{PYTEST} tests/flows"
SHOP = "shop=$(mktemp -d)/shop && tidings init $shop >/dev/null && cd $shop"
ROWS = [
    Shown("1", "windows, zones and recurrence: hypothesis over 28 zones, DST, clock jumps, unknown zones, expiry in the claim", f"{PYTEST} tests/campaigns/test_windows.py tests/campaigns/test_zones.py tests/campaigns/test_recurrence.py tests/campaigns/test_recipient_clock.py tests/delivery/test_hours_in_claim.py", passed),
    Shown("2", "recurring campaigns: again, from and until, misfires, standing approval within bounds, fresh and fixed audiences", f"{PYTEST} tests/campaigns/test_standing.py tests/campaigns/test_again.py tests/cli/test_standing_runs.py", passed),
    Shown("3", "flows: each semantics sentence by name; the naive interpreter gives the same messages and steps on both databases", f"{FLOWS}/test_walking_sentences.py tests/flows/test_walking_is_equal.py tests/flows/test_walking_verbs.py tests/flows/test_walking_is_set_based.py", passed),
    Shown("4", "editing a live flow: inserted, removed, renamed and reordered steps; nobody dropped or sent twice", f"{FLOWS}/test_versions.py tests/flows/test_versions_plan.py tests/cli/test_flow_plan.py", passed),
    Shown("5", "starts: exactly once over ticks, kills, workers and late commits", f"{FLOWS}/test_starting_events.py tests/flows/test_starting_once.py tests/flows/test_starting_late.py tests/flows/test_starting_segments.py tests/flows/test_starting_dates.py tests/flows/test_starting_limits.py", passed),
    Shown("5", "within five seconds of the event in `tidings serve`", f"{ALONE} tests/flows/test_serve_quickly.py", passed),
    Shown("6", "the gate: order, stored refusals, caps of ten campaigns and eight workers, budget, feeds, random unsubscribes", f"{PYTEST} tests/delivery/test_gate_order.py tests/delivery/test_caps.py tests/delivery/test_budget.py tests/delivery/test_freshness.py tests/delivery/test_throttle.py tests/delivery/test_unsubscribed_while_sending.py tests/delivery/test_rules_of_a_run.py tests/house/test_codes.py tests/house/test_causes.py", passed),
    Shown("6", "every refusal has a cause: two records of one person, consent that is too old, codes that ran out, stock that fell", f"{PYTEST} tests/delivery/test_merging_customers.py tests/twelve/test_merging.py tests/twelve/test_consent_expires.py tests/delivery/test_offer_rules.py tests/house/test_causes.py", passed),
    Shown("6", "ten campaigns, eight workers, the same 5,000 customers; unsubscribes at random over 50,000 messages", "python -m pytest -q -m nightly --timeout 3600 tests/delivery/test_caps.py tests/delivery/test_unsubscribed_while_sending.py", passed),
    Shown("7", "one clock by a lock, rounds, the table of work, runs", f"{FLOWS}/test_clock.py tests/flows/test_clock_lock.py tests/flows/test_round.py tests/flows/test_runs_command.py tests/flows/test_serve.py", passed),
    Shown("7", "`serve` killed during rounds: everything once", f"{ALONE} tests/flows/test_clock_kills.py", passed),
    Shown("8", "deployments, nights and tasks as plain Python; one module imports Prefect", f"{FLOWS}/test_prefect_deploying.py tests/flows/test_prefect_nights.py", passed),
    Shown("8", "a Prefect server on PostgreSQL, two workers, 20,000 messages, a worker killed with its flow: all delivered, none twice", f"{ALONE} tests/flows/test_prefect_servers.py", passed),
    Shown("9", "starter flows: exact messages over virtual days, tasks accepted and returned, rounds killed at random", f"{FLOWS}/test_starter_flows_walk.py tests/flows/test_starter_flows_service.py tests/flows/test_starter_flows_killed.py tests/flows/test_tasks.py tests/flows/test_parties.py tests/definitions/test_starter_flows.py", passed),
    Shown("9", "definitions of the dialect sent over virtual days, from their files and pools to exact messages and codes; three of them without the keys that act later", f"{PYTEST} tests/twelve", passed),
    Shown("10", "explain, calendar and the picture of a flow", f"{FLOWS}/test_explain.py tests/flows/test_explain_words.py tests/flows/test_explain_flow.py tests/cli/test_calendar.py tests/cli/test_flow_command.py", passed),
    Shown("10", "a starter flow drawn in a terminal", f"{SHOP} && tidings flow winback_ladder", steps_of_flow),
    Shown("11", "a million enrolments at one step, an idle tick, beside a per-person interpreter", "python benchmarks/bench_flows.py", bench_figures_of("step", 3)),
    Shown("11", "planning for an audience of a million", "python benchmarks/bench_planning.py", bench_figures_of("planning", 1)),
    Shown("12", "bad input: located or one clear sentence", f"{PYTEST} tests/definitions/test_flow_files.py tests/definitions/test_rules_of_sending.py tests/definitions/test_twelve_definitions.py", passed),
    Shown("month", "a week with a DST change under both clocks gives the same ledger", f"{PYTEST} tests/flows/test_clock_month.py", passed),
    Shown("month", "the same over a whole month", "python -m pytest -q -m nightly --timeout 3600 tests/flows/test_clock_month.py", passed),
    Shown("all", "the whole suite", "make test", suite_figures),
]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(ROWS))
