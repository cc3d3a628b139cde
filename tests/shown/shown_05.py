"""Claim, command, figure for credit, money and scores, printed as a table: `make shown-05`.

Points on the command line show those alone: `python tests/shown/shown_05.py 3 6`. A row says NO when its command fails, when its
output lacks the figure, when a test was skipped, or when the figure is not what is claimed. Rows on public data sets say that they
have none where TIDINGS_REFERENCE_DATA names no folder of them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shown.showing import PYTEST, Shown, claim, last, main, reference_figures, suite_figures
from shown.shown_03 import passed
from shown.shown_04 import bench_figures_of


def judged(text: str, seconds: float) -> str:
    """Return the worst precision and recall of the mixes that were judged; none may be under its target."""
    found = re.findall(r"human-click precision ([0-9.]+), recall ([0-9.]+)", text)
    claim(len(found) >= 2, f"only {len(found)} mixes were judged")
    precision, recall = min(float(one) for one, _ in found), min(float(one) for _, one in found)
    claim(precision >= 0.97 and recall >= 0.95, f"precision {precision}, recall {recall}")
    return f"{len(found)} mixes: precision ≥ {precision:.4f}, recall ≥ {recall:.4f}"


def reached(text: str, seconds: float) -> str:
    """Return the figures of mixes that stay below the target of precision; recall must not, nor precision below what is told."""
    found = re.findall(r"human-click precision ([0-9.]+), recall ([0-9.]+)", text)
    claim(len(found) == 2, f"{len(found)} mixes were judged")
    claim(all(float(precision) >= 0.949 and float(recall) >= 0.95 for precision, recall in found), str(found))
    return "below 0.97: " + "; ".join(
        f"precision {precision}, recall {recall}" for precision, recall in found
    )


def not_told(text: str, seconds: float) -> str:
    """Return the precision of mixes with machines that cannot be told from people."""
    found = re.findall(r"(not told: [a-z ]+): human-click precision ([0-9.]+), recall", text)
    claim(len(found) == 2 and " failed" not in text, f"{len(found)} mixes were judged")
    return "; ".join(f"{name.removeprefix('not told: ')}: precision {precision}" for name, precision in found)


def beside_others(text: str, seconds: float) -> str:
    """Return the CPU seconds of a million paths, beside those of the other tool in the same run."""
    ours = float(last(r"Markov of order 1: ([0-9.]+) s CPU")(text, seconds))
    claim(ours < 3, f"{ours} s CPU")
    return f"{ours} s CPU; " + last(r"(?m)^.*ChannelAttribution.*$")(text, seconds).strip()


def promises(text: str, seconds: float) -> str:
    """Return how many error rates are as promised; none may be broken."""
    kept = len(re.findall(r"(?m)  accepted$", text))
    claim(kept >= 15 and "NOT KEPT" not in text, f"{kept} promises kept, {text.count('NOT KEPT')} broken")
    return f"{kept} of {kept} promises kept"


def told(text: str, seconds: float) -> str:
    """Return what the demo measured beside what it planted; every part of it must have been told."""
    for part in ("effect beside credit", "what it earned", "the ladder, highest step first", "A score", "report-spring_winback.pdf"):  # fmt: skip
        claim(part in text, f"the demo does not tell: {part}")
    rows = re.findall(r"(?m)^(?:warm|direct|both) +(?:order_placed|revenue|bought anyway).*(yes|no)$", text)
    claim(len(rows) == 5, f"{len(rows)} of 5 comparisons with the truth")
    claim(rows.count("no") <= 1, f"{rows.count('no')} of 5 intervals miss the truth")
    chosen = last(r"planted: ([0-9.]+ orders a year each, [0-9.]+ of everybody)")
    return f"{rows.count('yes')} of 5 intervals hold the truth; chosen by the score: {chosen(text, seconds)}"


MEASURED = f"{PYTEST} tests/measurement"
DATA = f"{PYTEST} -m public tests/reference_data"
ROWS = [
    Shown("1", "touches of messages, ads and offline contacts; matched back by code, phone, e-mail, landing page, visitor", f"{MEASURED}/test_touches.py tests/customers/test_import_touches.py tests/customers/test_visitors.py", passed),
    Shown("1", "costs: encodings, decimal comma, tax, the row of sums checked, a re-export replaces its days", f"{PYTEST} tests/customers/test_import_costs.py tests/customers/test_cost_numbers.py", passed),
    Shown("2", "rules of hits with versions, raw hits kept, judged again by command, killed and begun anew", f"{PYTEST} tests/responses/test_classify.py tests/responses/test_crowds.py tests/responses/test_visits.py tests/responses/test_suspects.py tests/responses/test_neighbours.py tests/responses/test_reclassifying.py tests/responses/test_reclassify_command.py", passed),
    Shown("2", "clicks of people told from those of machines on mixes held out from the rules, one network of a filter in six in no list", "python -m pytest -q -s tests/responses/test_humans_and_machines.py -k 'clicks_of_people or on_postgresql'", judged),
    Shown("2", "the same where half of the networks of filters are in no list, on mixes that no rule was set on", "python -m pytest -q -s tests/responses/test_humans_and_machines.py -k '303 or 304'", judged),
    Shown("2", "and with tabs, forwarded messages, fleets, sandboxes, filters that look at the click: a shop, a sale, friends; judged once", "python -m pytest -q -s tests/responses/test_humans_and_machines.py -k '601 or 603 or 604'", judged),
    Shown("2", "the same at firms, one recipient in three behind a filter: precision stays below the target, as the page says", "python -m pytest -q -s tests/responses/test_humans_and_machines.py -k '602 or 605'", reached),
    Shown("2", "what cannot be told from people: slow filters in no list, programs at the hours of people; figures, no claim", "python -m pytest -q -s tests/responses/test_humans_and_machines.py -k 'cannot_be_told'", not_told),
    Shown("3", "offers: pools reserved in the claim, never twice also under kills, ends, at_most, stop_when, exhausted", f"{PYTEST} tests/delivery/test_offers.py tests/delivery/test_offers_and_kills.py tests/cli/test_offers_command.py tests/twelve", passed),
    Shown("3", "redemption by orders; products and stock by import; the offered product and its price in messages", f"{MEASURED}/test_redemptions.py tests/customers/test_import_products.py tests/cli/test_offered_products.py", passed),
    Shown("3", "redemption by API and by command, judged as those of orders are, taken back; named in segments, flows and goals", f"{PYTEST} tests/responses/test_redemption_api.py tests/cli/test_redeeming_command.py tests/measurement/test_redeeming.py tests/measurement/test_redeemed_goal.py tests/segments/test_redeemed.py tests/flows/test_redeemed_in_flows.py", passed),
    Shown("3", "recommendations in templates, learnt from orders of files and of the event API, with their lines", f"{PYTEST} tests/campaigns/test_recommending.py tests/cli/test_recommended_products.py tests/responses/test_order_lines.py tests/cli/test_orders_of_the_api.py", passed),
    Shown("4", "seven models, windows, sums to the cent, unattributed lines, one order's path, changes of rules", f"{MEASURED}/test_attribution.py tests/measurement/test_attribution_command.py tests/measurement/test_attribution_kept.py tests/measurement/test_attribution_paths.py tests/statistics/test_markov.py tests/statistics/test_shapley.py tests/statistics/test_credit.py", passed),
    Shown("5", "effect beside credit: planted truth; effect, over-claiming and iROAS cover in 200 campaigns; equal to a loop", f"{MEASURED}/test_beside.py tests/measurement/test_beside_coverage.py tests/measurement/test_beside_naive.py tests/statistics/test_summed.py", passed),
    Shown("5", "every cent of cost in one line, channels only where drawn by lot, contamination and other messages a head", f"{MEASURED}/test_beside_costs.py tests/measurement/test_beside_command.py tests/measurement/test_contamination.py", passed),
    Shown("5", "the panel of models and windows with the stability of ranks, in exports and notebooks", f"{PYTEST} tests/papers/test_sensitivity_tables.py", passed),
    Shown("6", "profit, returns, bought anyway, moved orders, break-even, payback against planted truths; plan against actual", f"{MEASURED}/test_promotion_money.py tests/measurement/test_promotion_anyway.py tests/measurement/test_promotion_plan.py tests/measurement/test_promotion_flow.py", passed),
    Shown("6", "coverage of these intervals, 5,000 simulations", "python -m pytest -q -m nightly --timeout 3600 tests/measurement/test_promotion_calibration.py", passed),
    Shown("7", "start + in − out = end on every step, by property; equal to a loop; 80/20, RFM, cohorts, sales channels", f"{MEASURED}/test_movement.py tests/measurement/test_movement_parts.py", passed),
    Shown("8", "goals: plan, actual, forecast, status, weights, customers first, reviews", f"{MEASURED}/test_scorecard.py tests/measurement/test_scorecard_rules.py tests/cli/test_kpi_and_goals.py", passed),
    Shown("9", "a score: features before a cut-off, judged by later time, calibrated, against recency alone, as numbers", f"{PYTEST} tests/scores", passed),
    Shown("9", "`rank: {by, keep}` keeps whom a sort in Python keeps, ties and shares to the head", f"{PYTEST} tests/segments/test_rank_is_equal.py", passed),
    Shown("10", "charts and pages in HTML and PDF, text selectable; frames, CSV and XLSX without formulas", f"{PYTEST} tests/papers/test_charts.py tests/papers/test_campaign_page.py tests/papers/test_company_page.py tests/papers/test_tables.py tests/papers/test_workspace.py", passed),
    Shown("10", "one mail a reader each Monday, over clock changes, two clocks and kills", f"{PYTEST} tests/papers/test_paper_mails.py", passed),
    Shown("11", "10,000 public paths: the Markov total is that of conversions, its chance the observed rate", f"{DATA}/test_attribution_paths.py", reference_figures),
    Shown("11", "Online Retail: net revenue, 80/20, ladder, and a score trained on nine months and judged by the rest", f"{DATA}/test_kpi_online_retail.py tests/reference_data/test_scores_online_retail.py", reference_figures),
    Shown("11", "Online Retail: what is bought together, learnt on the first months and judged by the rest", f"{DATA}/test_recommendations_online_retail.py", reference_figures),
    Shown("11", "Complete Journey: campaigns, coupons, redemptions, credit that says what it is; Hillstrom by arm", f"{DATA}/test_complete_journey.py tests/reference_data/test_hillstrom.py", reference_figures),
    Shown("11", "a million paths, all heuristics and Markov, beside ChannelAttribution", "make -s compared && python benchmarks/bench_attribution.py", beside_others),
    Shown("11", "the report of a campaign of a million customers", "python benchmarks/bench_report.py", bench_figures_of("report", 1)),
    Shown("11", "calibration table: 5,000 draws a row, every promise kept", "python benchmarks/bench_calibration.py 5000", promises),
    Shown("12", "degenerate stores: a sentence, never NaN", f"{MEASURED}/test_bad_worlds.py tests/measurement/test_beside_honesty.py tests/measurement/test_promotion_honesty.py", passed),
    Shown("demo", "ads with costs, coupons, credit beside lift, ladder, a score, papers; the planted truth recovered", "tidings demo --folder $(mktemp -d)/demo", told),
    Shown("all", "the whole suite", "make test", suite_figures),
]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(ROWS))
