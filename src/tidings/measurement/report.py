"""The report of a campaign: sample ratio first, then effects with intervals, the funnel and the refusals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.steps import whole_flow
from tidings.clock import from_micros, iso, to_micros
from tidings.definitions.hashing import definition_hash
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.importing import ExperimentImport
from tidings.definitions.workspace import Definitions
from tidings.errors import TidingsError, UsageError
from tidings.measurement.arms import ReportedRun, find_arms, find_run
from tidings.measurement.contamination import Contamination, contamination
from tidings.measurement.effects import Effect, all_effects
from tidings.measurement.funnel import FunnelRow, Refusal, Standing, funnel, reached, refusals, standing
from tidings.measurement.goals import goal_metrics
from tidings.measurement.maturity import Maturity, maturity
from tidings.measurement.metrics import COUNTED, HOLDOUT, TREATED, Arm, Measured
from tidings.measurement.outcomes import outcome_metrics
from tidings.measurement.presenting import effect_json
from tidings.measurement.promotions.economics import economics
from tidings.measurement.promotions.reading import read_goal
from tidings.measurement.promotions.result import Economics
from tidings.measurement.words import sentence
from tidings.statistics.sample_ratio import SampleRatio, sample_ratio
from tidings.store.database import Store
from tidings.store.tables import sending

# A report asked for as of now is made a moment later.
_JUST_NOW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one run says, ready to print. `warnings` come before any effect, `notes` after.

    Where the run had not begun by `as_of`, `begun` is False, there are no effects and no counts, and the one warning
    says so.
    """

    campaign: str
    title: str
    run: ReportedRun
    as_of: datetime
    zone: ZoneInfo
    arms: tuple[Arm, ...]
    ratio: SampleRatio
    ratio_assumed: bool
    maturity: Maturity
    effects: tuple[Effect, ...]
    funnel: tuple[FunnelRow, ...]
    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    contamination: Contamination | None = None
    begun: bool = True
    economics: Economics | None = None

    def findings(self) -> tuple[Effect, ...]:
        """Return the effects that say something: without those of events when none is known since it was sent."""
        return tuple(effect for effect in self.effects if not self._unheard(effect))

    def words(self) -> list[str]:
        """Return the findings in plain words, the primary comparisons first."""
        return [sentence(effect) for effect in self.findings()]

    def _unheard(self, effect: Effect) -> bool:
        # What only people written to can have is an answer to the message, and no import brings it.
        return self.maturity.silent and effect.metric.every_arm

    def _doubt(self, effect: Effect) -> str | None:
        if self._unheard(effect):
            return self.maturity.silence(self.zone)
        return self.warnings[0] if self.ratio.alarm else None

    def as_json(self) -> dict[str, Any]:
        """Return the report with stable keys: rates as 0 … 1, money in major units, instants as ISO text."""
        return {
            "campaign": self.campaign,
            "title": self.title,
            "run": {
                "id": self.run.id,
                "occurrence": self.run.occurrence,
                "kind": self.run.kind,
                "state": self.run.state,
                "anchor_at": iso(from_micros(self.run.anchor_at)),
            },
            "as_of": iso(self.as_of),
            "arms": [
                {"arm": arm.name, "customers": arm.customers, "accounts": arm.accounts} for arm in self.arms
            ],
            "sample_ratio": {
                "p": self.ratio.p,
                "alarm": self.ratio.alarm,
                "assumed_equal": self.ratio_assumed,
                "expected": dict(zip((arm.name for arm in self.arms), self.ratio.expected, strict=False)),
                "reason": self.ratio.reason,
            },
            "maturity": self.maturity.as_json(),
            "effects": [
                effect_json(effect, doubt=self._doubt(effect), early=self.maturity.early)
                for effect in self.effects
            ],
            "contamination": self.contamination.as_json() if self.contamination else None,
            "funnel": [row.as_json() for row in self.funnel],
            "refusals": [
                {"code": one.code, "customers": one.customers, "when": one.when} for one in self.refusals
            ],
            "economics": self.economics.as_json(next(iter(self.warnings), None)) if self.economics else None,
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "words": self.words(),
        }


def make_report(
    store: Store, definitions: Definitions, campaign_id: str, *, as_of: datetime, run_id: int | None = None
) -> Report:
    """Return the report of a campaign's latest run, or of the run asked for, as things had happened by `as_of`.

    Goal and window are those of the definition as it is now. Raises UsageError for a name that is no campaign and no
    imported test, or a run that is not the campaign's; TidingsError when it has not run yet.
    """
    with store.read() as connection:
        run = find_run(connection, campaign_id, run_id)
        if run is None:
            _no_run(connection, definitions, campaign_id, run_id)
        campaign = _campaign(definitions, campaign_id)
        zone = ZoneInfo(definitions.workspace.zone)
        arms, anchors = find_arms(connection, run, campaign)
        experiment = run.kind == "experiment"
        begins = _begins(run, anchors)
        begun = to_micros(as_of) >= begins
        read = (
            read_goal(connection, definitions, campaign, run=run, arms=arms, anchors=anchors, as_of=as_of)
            if begun
            else None
        )
        if not begun:
            measured = Measured(())
        elif experiment:
            order = tuple(name for one in _mappings(definitions, campaign_id) for name, _ in one.outcomes)
            measured = outcome_metrics(connection, run_id=run.id, arms=arms, order=order)
        elif campaign is None:
            measured = Measured(
                (), (f"There is no file for {campaign_id} any more, so its goal is not known.",)
            )
        elif campaign.goal is None and not campaign.also:
            measured = Measured(
                (), ("The campaign has no goal, so no effect can be measured; add `goal:` to it.",)
            )
        elif not anchors:
            measured = Measured((), ("Nobody is enrolled yet.",))
        else:
            measured = goal_metrics(
                connection,
                definitions,
                campaign,
                run=run,
                arms=arms,
                anchors=anchors,
                as_of=as_of,
                read=read,
            )
        when = to_micros(as_of)
        blurred = (
            contamination(connection, campaign, run=run, arms=arms, anchors=anchors, zone=zone, as_of=when)
            if begun
            else None
        )
        ripe = maturity(
            connection,
            None if experiment else campaign,
            run_id=run.id,
            anchors=anchors,
            zone=zone,
            as_of=as_of,
        )
        converted = measured.main.some if measured.main else {}
        stand = standing(connection, run.id, arms) if begun else Standing({}, True)
        rows = funnel(connection, run.id, arms, converted, as_of, stand) if begun else ()
        refused = refusals(connection, run.id, run.plan_id) if begun else ()
        arrived = (
            reached(connection, run.id, stand, accounts=run.accounts) if begun and not experiment else None
        )
        later = _later_entries(connection, run) if begun else 0
        earned = (
            economics(
                connection,
                definitions,
                campaign,
                run=run,
                arms=arms,
                anchors=anchors,
                as_of=as_of,
                funnel=rows,
                refusals=refused,
                read=read,
            )
            if begun
            else None
        )
    ratio, assumed = _ratio(arms)
    if begun:
        warnings = _warnings(ratio, assumed) + ((ripe.silence(zone),) if ripe.silent else ())
        notes = (*measured.notes, *_notes(definitions, run, arms, later), *_of_now(store, rows, zone, as_of))
    else:
        at = from_micros(begins).astimezone(zone)
        warnings, notes = (f"The run had not begun by then; it begins at {at:%Y-%m-%d %H:%M}.",), ()
    return Report(
        campaign=campaign_id,
        title=_title(definitions, campaign_id),
        run=run,
        as_of=as_of,
        zone=zone,
        arms=arms,
        contamination=blurred,
        ratio=ratio,
        ratio_assumed=assumed,
        maturity=ripe,
        effects=all_effects(measured.metrics, arms, arrived, early=ripe.early, rolling=run.kind == "flow"),
        funnel=rows,
        refusals=refused,
        warnings=warnings,
        notes=notes,
        begun=begun,
        economics=earned,
    )


def _begins(run: ReportedRun, anchors: list[int]) -> int:
    """Return when the run began: with its first window, though not before it was started."""
    first = min([run.anchor_at, *anchors])
    # A test run elsewhere was over when it was imported.
    return first if run.kind == "experiment" else max(first, run.created_at)


def _of_now(store: Store, rows: tuple[FunnelRow, ...], zone: ZoneInfo, as_of: datetime) -> tuple[str, ...]:
    """Return the sentence that a report of the past owes: the ledger keeps where a message stands, not where it stood."""
    if as_of > store.clock.now() - _JUST_NOW or not any(row.messages for row in rows):
        return ()
    words = (
        "What became of the messages (accepted, delivered, bounced, refused …, and the share they reached) is told as it "
        f"stands now; events, openings, clicks and unsubscribes are those before {as_of.astimezone(zone):%Y-%m-%d %H:%M}."
    )
    return (words,)


def _ratio(arms: tuple[Arm, ...]) -> tuple[SampleRatio, bool]:
    """Return the sample-ratio test and whether equal shares had to be assumed because no plan says them."""
    shares = [arm.share for arm in arms if arm.share is not None]
    assumed = len(shares) < len(arms) or not arms
    wanted = [1.0] * len(arms) if assumed else shares
    # What was drawn is what the test is about: customers of one account come and go together.
    drawn = [arm.customers if arm.accounts is None else arm.accounts for arm in arms]
    return sample_ratio(drawn, wanted), assumed


def _warnings(ratio: SampleRatio, assumed: bool) -> tuple[str, ...]:
    if not ratio.alarm:
        return ()
    if assumed:
        words = (
            "The arms are not of equal size, and no plan says which sizes were meant. If equal arms were meant, people "
            "were lost or added after the draw and no effect below can be believed; if not, this is in order."
        )
    else:
        words = (
            "The arms do not have the sizes that were drawn. Something removed or added people after the draw, so the "
            "arms are no longer alike and no effect below can be believed. Find the cause first."
        )
    return (words,)


def _campaign(definitions: Definitions, name: str) -> Campaign | None:
    """Return the campaign of a name, or the flow as one: both have goals and a holdout."""
    flow = definitions.flows.get(name)
    return whole_flow(flow) if flow is not None else definitions.campaigns.get(name)


def _later_entries(connection: sa.Connection, run: ReportedRun) -> int:
    """Return how many entries into a flow are not counted, for the customer had entered before."""
    if run.kind != "flow":
        return 0
    enrolments = sending.enrolments
    arms = enrolments.c.arm.in_([TREATED, HOLDOUT])
    return int(
        connection.execute(
            sa.select(sa.func.count()).where(enrolments.c.run_id == run.id, arms, ~COUNTED)
        ).scalar_one()
    )


def _notes(definitions: Definitions, run: ReportedRun, arms: tuple[Arm, ...], later: int) -> list[str]:
    found = []
    if later:
        found.append(
            f"Each customer counts once, from the first time they entered; {later:,} later entries are left out, for whether "
            "somebody enters again may be an effect of the flow."
        )
    if run.accounts:
        found.append(
            f"Accounts were drawn, not customers: means are per customer, intervals rest on "
            f"{sum(arm.accounts or 0 for arm in arms):,} accounts."
        )
    if not any(arm.held_out and arm.customers for arm in arms):
        found.append(
            f"Nobody was held out, so what the {'flow' if run.kind == 'flow' else 'campaign'} caused cannot be known; "
            + (
                "its variants can still be compared."
                if len(arms) > 1
                else "only what happened can be shown. `holdout: 10%` would tell."
            )
        )
    if run.state == "enrolling":
        found.append("The run is still enrolling; arms will grow.")
    known = run.kind == "campaign" and run.campaign in definitions.campaigns
    if known and definition_hash(definitions, run.campaign) != run.definition_hash:
        found.append(
            "The definition was changed after this run, or something it stands on (segments, words, channels, settings); goal "
            "and window are read from the files as they are now."
        )
    if run.runs > 1:
        found.append(f"This is run {run.place} of {run.runs}; `--run ID` shows another.")
    return found


def _title(definitions: Definitions, campaign_id: str) -> str:
    campaign = _campaign(definitions, campaign_id)
    if campaign is not None:
        return campaign.title
    mappings = _mappings(definitions, campaign_id)
    return mappings[0].title if mappings else campaign_id


def _mappings(definitions: Definitions, campaign_id: str) -> list[ExperimentImport]:
    """Return the import mappings that bring in this test."""
    return [
        one
        for one in definitions.imports.values()
        if isinstance(one, ExperimentImport) and one.campaign == campaign_id
    ]


def _no_run(
    connection: sa.Connection, definitions: Definitions, campaign_id: str, run_id: int | None
) -> NoReturn:
    """Raise the error that fits: an unknown name, a run of another campaign, or no run yet."""
    imported = {one.campaign for one in definitions.imports.values() if isinstance(one, ExperimentImport)}
    ran = set(connection.execute(sa.select(sending.runs.c.campaign).distinct()).scalars())
    known = {*definitions.campaigns, *definitions.flows, *imported, *ran}
    if campaign_id not in known:
        near = get_close_matches(campaign_id, known, n=3)
        raise UsageError(
            f'there is no campaign "{campaign_id}"',
            what_to_do="did you mean " + " or ".join(f'"{name}"' for name in near) + "?"
            if near
            else "campaigns there are: " + (", ".join(sorted(known)) or "none yet"),
        )
    if campaign_id in ran:
        raise UsageError(
            f'run {run_id} is not a run of "{campaign_id}"',
            what_to_do=f"`tidings report {campaign_id}` shows the latest",
        )
    if campaign_id in imported:
        names = [one.id for one in _mappings(definitions, campaign_id)]
        raise TidingsError(
            f"the test {campaign_id} has not been imported yet",
            what_to_do=f"tidings import FILE --as {names[0]}",
        )
    raise TidingsError(
        f"the campaign {campaign_id} has not run yet, so there is nothing to report",
        what_to_do=f"tidings plan {campaign_id} shows what it would do",
    )
