"""What stands in the box of a step, in lines of words: the same in a terminal and in a picture."""

from __future__ import annotations

from collections.abc import Mapping

from tidings.flows.explaining.standing import FlowStands, StepStands

_HOLDOUT = "holdout"
# In the order of a message's life.
_STATES = (
    "planned", "claimed", "started", "deferred", "accepted", "delivered", "in_doubt", "unconfirmed", "rejected",
    "bounced", "complained", "refused", "cancelled",
)  # fmt: skip


def step_words(step: StepStands) -> list[str]:
    """Return what a step is: when it comes, for whom, and what it does."""
    does = step.does[:1].upper() + step.does[1:]
    said = [does]
    if step.instead_of:
        said.append(f"in place of “{step.instead_of}”, where that is passed over")
    if step.due:
        said.append(step.due)
    if step.only:
        said.append(f"only where {' and '.join(step.only)}")
    return said


def step_counts(step: StepStands) -> list[str]:
    """Return how a step stands; nothing where nobody came to it yet."""
    said = []
    here = [f"{sum(step.waiting.values()):,} here now"] if step.waiting else []
    came = step.count("reached", "answered", "unanswered")
    if came:
        silent = sum(
            step.became.get(one, {}).get(_HOLDOUT, 0) for one in ("reached", "answered", "unanswered")
        )
        here.append(f"reached {came:,}" + (f" ({silent:,} held out)" if silent else ""))
    for what, words in (
        ("answered", "answered"), ("unanswered", "not answered"), ("passed", "passed over"), ("left", "left"), ("moved", "moved"),
    ):  # fmt: skip
        if step.count(what):
            here.append(f"{words} {step.count(what):,}")
    if here:
        said.append(", ".join(here))
    if step.messages:
        counts = [
            f"{step.messages[one]:,} {one.replace('_', ' ')}" for one in _STATES if step.messages.get(one)
        ]
        said.append("messages: " + ", ".join(counts))
    if step.refusals:
        said.append("refused: " + ", ".join(f"{code} {count:,}" for code, count in step.refusals.items()))
    return said


def flow_lines(stands: FlowStands, when: str) -> list[tuple[str, str]]:
    """Return how a flow stands as labels with words; `when` is the day on which it went live."""
    said = [("state", _state(stands, when))]
    if not stands.entered:
        if stands.live_since:
            said.append(("entered", "nobody yet"))
    else:
        total = sum(stands.entered.values())
        held = stands.entered.get(_HOLDOUT, 0)
        treated = total - held
        said.append(("entered", f"{total:,}: {treated:,} treated" + (f", {held:,} held out, who walk silently" if held else "")))  # fmt: skip
        said.append(("now", _outcomes(stands.outcomes)))
    if stands.again:
        said.append(("again", stands.again))
    if stands.held_out:
        said.append(("holdout", stands.held_out))
    for condition in stands.leaves:
        said.append(("leaves", f"as soon as {condition}"))
    if stands.goal:
        said.append(("goal", stands.goal))
    if stands.converted is not None:
        arms = [
            f"{stands.converted.get(arm, 0):,} of {count:,} {'held out' if arm == _HOLDOUT else arm}{_share(stands.converted.get(arm, 0), count)}"
            for arm, count in sorted(stands.counted.items(), key=lambda item: item[0] == _HOLDOUT)
            if count
        ]
        said.append(("reached it", ", ".join(arms)))
    for step, count in stands.elsewhere.items():
        said.append(("elsewhere", f"{count:,} wait at “{step}”, a step of an earlier version"))
    return said


def _state(stands: FlowStands, when: str) -> str:
    if stands.live_since is None:
        return f"not live; `tidings run {stands.id}` starts it"
    why = f" ({stands.reason})" if stands.reason else ""
    edited = f"; the file was changed since: `tidings plan {stands.id}` shows what that would do" if stands.edited else ""  # fmt: skip
    return f"{stands.state}{why} since {when}, version {stands.version}{edited}"


def _outcomes(outcomes: Mapping[str, int]) -> str:
    words = {"walking": "on the way", "finished": "at the end", "left": "left"}
    order = [*words, *(one for one in outcomes if one not in words)]
    return ", ".join(f"{outcomes[one]:,} {words.get(one, one)}" for one in order if outcomes.get(one))


def _share(part: int, whole: int) -> str:
    return f" ({part / whole:.1%})" if whole else ""
