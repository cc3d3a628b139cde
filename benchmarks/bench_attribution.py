"""What credit for a million paths costs: the models over integer codes beside a loop over paths, same run.

    python benchmarks/bench_attribution.py [PATHS] [--quick]      default 1000000 paths of 12 channels, 3.5 touches each

Time is processor time of this process. The loop does first, last, linear, position and time decay path by path and counts
the transitions of the chain in dictionaries, as a person writes it first, on a sample. ChannelAttribution gets the same
paths in a process and an environment of its own (`make compared`): it is GPL-3 and no part of the project. Its chain is
simulated, ours is solved. Finding the paths themselves, from touches and orders in arrays, is measured too. Fails when the
target is missed, or when models disagree with the loop or with ChannelAttribution.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np

from tidings.measurement.attribution.facts import Facts, Kind
from tidings.measurement.attribution.journeys import find_journeys
from tidings.measurement.attribution.models import ALONE, DAY, Tuning, give_credit
from tidings.measurement.attribution.rule import Rule
from tidings.statistics.credit import Credit, Paths

# Processor seconds for a million paths: all models of one path and an exact chain of order 1.
TARGET = 3.0
CHANNELS = 12
SAMPLE = 100_000
TUNING = Tuning()
OTHER = Path(__file__).parents[1] / ".venv/compared/bin/python"
# A simulation of 20 million paths comes this near to the exact chain, as a part of all conversions.
AGREE = 0.002


def draw(count: int) -> tuple[Paths, np.ndarray]:
    """Return paths of 1 to 12 touches, 3.5 on average, of which a fifth convert, and the ages of the touches."""
    random = np.random.default_rng(20)
    lengths = np.minimum(random.geometric(1 / 3.6, count), 12).astype(np.int64)
    weights = 1 / np.arange(1, CHANNELS + 1)
    steps = random.choice(CHANNELS, int(lengths.sum()), p=weights / weights.sum())
    converted = random.random(count) < 0.2
    starts = np.append(0, np.cumsum(lengths))
    ages = random.integers(0, 30 * DAY, steps.size).astype(np.float64)
    paths = Paths.of(
        tuple(f"c{n}" for n in range(CHANNELS)),
        steps,
        starts,
        conversions=converted,
        values=np.where(converted, random.integers(500, 20_000, count), 0),
        nulls=~converted,
    )
    return paths, ages


def measured(work: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Return the least processor seconds of some runs, and the result."""
    best, result = float("inf"), None
    for _ in range(repeats):
        begin = time.process_time()
        result = work()
        best = min(best, time.process_time() - begin)
    return best, result


def loop(paths: Paths, ages: np.ndarray, count: int) -> dict[str, list[float]]:
    """Give credit path by path, and by a chain whose transitions are counted in a dictionary."""
    credit = {model: [0.0] * CHANNELS for model in (*ALONE, "markov")}
    moves: dict[tuple[int, int], float] = {}
    for place in range(count):
        begin, end = int(paths.starts[place]), int(paths.starts[place + 1])
        steps = [int(one) for one in paths.steps[begin:end]]
        won, n = float(paths.conversions[place]), end - begin
        before = -1
        for step in (*steps, -2 if won else -3):
            moves[before, step] = moves.get((before, step), 0) + 1
            before = step
        if not won:
            continue
        credit["first"][steps[0]] += 1
        credit["last"][steps[-1]] += 1
        near = min(ages[begin:end])
        weights = [0.5 ** ((age - near) / TUNING.half_life) for age in ages[begin:end]]
        together = sum(weights)
        ends = {1: [1.0], 2: [0.5, 0.5]}.get(n, [0.4, *[0.2 / max(n - 2, 1)] * (n - 2), 0.4])
        for number, step in enumerate(steps):
            credit["linear"][step] += 1 / n
            credit["time_decay"][step] += weights[number] / together
            credit["position"][step] += ends[number]
    leaving: dict[int, float] = {}
    for (before, _), times in moves.items():
        leaving[before] = leaving.get(before, 0) + times

    def chance(removed: int | None) -> float:
        matrix, gain = np.eye(CHANNELS + 1), np.zeros(CHANNELS + 1)
        for (before, step), times in moves.items():
            if removed is not None and removed in (before, step):
                continue
            if step == -2:
                gain[before] += times / leaving[before]
            elif step != -3:
                matrix[before, step] -= times / leaving[before]
        return float(np.linalg.solve(matrix, gain)[-1])

    whole = chance(None)
    effects = [1 - chance(channel) / whole for channel in range(CHANNELS)]
    won = float(paths.conversions[:count].sum())
    credit["markov"] = [effect / sum(effects) * won for effect in effects]
    return credit


def beside(paths: Paths, ours: dict[str, Credit], seconds: float) -> None:
    """Print what ChannelAttribution takes for the same paths in a process of its own, and where it says something else."""
    if not OTHER.exists():
        print(
            "ChannelAttribution is not in .venv/compared (`make compared` puts it there): no comparison with it"
        )
        return
    with TemporaryDirectory() as folder:
        given, answer = Path(folder, "paths.npz"), Path(folder, "answer.json")
        counts = {"won": paths.conversions, "value": paths.values, "lost": paths.nulls}
        np.savez(given, names=np.array(paths.names), steps=paths.steps, starts=paths.starts, **counts)
        script = Path(__file__).with_name("channel_attribution.py")
        ran = subprocess.run(
            [OTHER, script, given, answer],
            env={**os.environ, "MPLCONFIGDIR": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            sys.exit(f"ChannelAttribution failed:\n{ran.stderr}")
        found = json.loads(answer.read_text(encoding="utf-8"))

    def off(said: dict[str, float], model: str) -> float:
        exact = dict(zip(paths.names, ours[model].conversions, strict=True))
        return max(abs(exact[name] - said.get(name, 0.0)) for name in paths.names)

    for what, key in (("the same paths", "single"), (f"{found['rows']:,} different paths", "together")):
        one = found[key]
        took = one["rules_seconds"] + one["markov_seconds"]
        print(
            f"ChannelAttribution, {what}: first, last and linear {one['rules_seconds']:.2f}, chain"
            f" {one['markov_seconds']:.2f} s CPU; together {took:.2f}, {took / seconds:.1f} times ours for five rules and the chain"
        )
        for model in ("first", "last", "linear"):
            if off(one[model], model) > 1e-6 * paths.total:
                sys.exit(
                    f"{model} disagrees with ChannelAttribution by {off(one[model], model):,.3f} conversions"
                )
        wrong = off(one["markov"], "markov")
        print(
            f"  first, last and linear agree; its simulated chain is off ours, which is exact, by at most {wrong:,.1f}"
            f" of {paths.total:,.0f} conversions in a channel ({wrong / paths.total:.2%})"
        )
    print(f"  putting equal paths together took it {found['joining_seconds']:.2f} s CPU more")
    wrong = off(found["long"], "markov")
    print(
        f"  with 20 million simulated paths of any length ({found['long_seconds']:.1f} s CPU) by {wrong:,.1f}"
        f" ({wrong / paths.total:.3%})"
    )
    if wrong > AGREE * paths.total:
        sys.exit(f"the chains disagree by more than {AGREE:.1%} of the conversions")


def scattered(paths: Paths, ages: np.ndarray) -> tuple[Facts, Rule]:
    """Return touches and orders, a customer for each path, as they come out of the store."""
    owner = np.repeat(np.arange(paths.lengths.size), paths.lengths)
    bought = 400 * DAY
    at = (bought - ages - 1).astype(np.int64)
    order = np.lexsort((at, owner))
    won = np.flatnonzero(paths.conversions)
    zeros = np.zeros(won.size, dtype=np.int64)
    facts = Facts(
        kinds=tuple(Kind(name, None, "visited") for name in paths.names),
        customer=owner[order],
        at=at[order],
        message=np.zeros(owner.size, dtype=np.int64),
        kind=paths.steps[order],
        currencies=("", "EUR"),
        sales_channels=("",),
        event=won,
        buyer=won,
        bought_at=zeros + bought,
        amount=paths.values[won].astype(np.int64),
        currency=zeros + 1,
        sales=zeros,
    )
    return facts, Rule(("order_placed",), "markov", ("visited",), (), 30 * DAY, 7 * DAY, (0.4, 0.4), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    asked = parser.parse_args()
    count = asked.paths // 10 if asked.quick else asked.paths
    paths, ages = draw(count)
    print(f"{count:,} paths, {paths.steps.size:,} touches, {CHANNELS} channels")
    models = (*ALONE, "markov")
    give_credit(paths, models, TUNING, ages)  # imports
    seconds, credit = measured(lambda: give_credit(paths, models, TUNING, ages))
    print(f"first, last, linear, time decay, position and Markov of order 1: {seconds:.2f} s CPU")
    for label, more in (
        ("Markov of order 2", ("markov", Tuning(order=2))),
        ("Markov of order 3", ("markov", Tuning(order=3))),
        ("Shapley", ("shapley", TUNING)),
        ("Shapley by the rate", ("shapley", Tuning(worth="rate"))),
    ):
        print(f"{label}: {measured(lambda more=more: give_credit(paths, more[:1], more[1]), 1)[0]:.2f} s CPU")
    facts, rule = scattered(paths, ages)
    finding, journeys = measured(lambda: find_journeys(facts, rule, opens=0, closes=500 * DAY), 1)
    print(
        f"finding the paths of {facts.event.size:,} orders among {facts.at.size:,} touches: {finding:.2f} s CPU"
    )

    some = min(SAMPLE, count)
    slow, by_loop = measured(lambda: loop(paths, ages, some), 1)
    slow *= count / some
    print(f"a loop over the same paths: {slow:.1f} s CPU (from {some:,}), {slow / seconds:.0f} times as much")
    part = Paths(
        paths.names,
        paths.steps[: paths.starts[some]],
        paths.starts[: some + 1],
        paths.conversions[:some],
        paths.values[:some],
        paths.nulls[:some],
    )
    ours = give_credit(part, models, TUNING, ages[: paths.starts[some]])
    for model in models:
        if not np.allclose(ours[model].conversions, by_loop[model], rtol=1e-9):
            sys.exit(f"{model} disagrees with the loop")
    beside(paths, credit, seconds)
    total = {round(float(one.conversions.sum())) for one in credit.values()}
    if total != {round(paths.total)} or journeys.conversions != facts.event.size:
        sys.exit("credits do not add up")
    limit = TARGET * max(count / 1_000_000, 0.1)
    if seconds > limit:
        sys.exit(f"{seconds:.2f} s CPU is more than the target of {limit:.2f}")


if __name__ == "__main__":
    main()
