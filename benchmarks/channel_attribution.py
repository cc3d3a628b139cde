"""Credit by ChannelAttribution, in the environment that `make compared` makes: it is GPL-3 and no part of the project.

    .venv/compared/bin/python benchmarks/channel_attribution.py PATHS.npz ANSWER.json

Reads paths as bench_attribution.py writes them. Writes processor seconds and conversions of each channel, for the paths
as they are and for equal paths put together, without the time that importing and writing paths as text take.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from typing import Any

import ChannelAttribution as Other
import numpy as np
import pandas as pd

RULES = ("first_touch", "last_touch", "linear_touch")
# Far more steps and simulated paths than by default: what its chain comes to.
LONG = {"max_step": 10_000, "nsim_start": 2e7}


def by_channel(table: Any, column: str) -> dict[str, float]:
    return dict(zip(table["channel_name"], map(float, table[column]), strict=True))


def given(table: Any) -> dict[str, Any]:
    """Return what its three rules and its chain say, each with its processor seconds."""
    begin = time.process_time()
    rules = Other.heuristic_models(table, "path", "won", var_value="value", flg_pro=False)
    middle = time.process_time()
    chain = markov(table)
    end = time.process_time()
    found: dict[str, Any] = {
        name.removesuffix("_touch"): by_channel(rules, f"{name}_conversions") for name in RULES
    }
    return found | {"markov": chain, "rules_seconds": middle - begin, "markov_seconds": end - middle}


def markov(table: Any, **more: float) -> dict[str, float]:
    found = Other.markov_model(
        table, "path", "won", var_value="value", var_null="lost", verbose=False, flg_pro=False, **more
    )
    return by_channel(found, "total_conversions")


def main() -> None:
    with np.load(sys.argv[1]) as file:
        names, steps, starts = file["names"], file["steps"], file["starts"].tolist()
        counts = {name: file[name] for name in ("won", "value", "lost")}
    words = names[steps].tolist()
    texts = [" > ".join(words[begin:end]) for begin, end in pairwise(starts)]
    table = pd.DataFrame({"path": texts, **counts})
    begin = time.process_time()
    together = table.groupby("path", as_index=False).sum()
    joining = time.process_time() - begin
    answer = {
        "single": given(table),
        "together": given(together),
        "rows": len(together),
        "joining_seconds": joining,
    }
    begin = time.process_time()
    answer["long"] = markov(together, **LONG)
    answer["long_seconds"] = time.process_time() - begin
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(answer, file)


if __name__ == "__main__":
    main()
