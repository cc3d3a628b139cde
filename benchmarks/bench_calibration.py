"""Whether error rates are what is promised, by simulation: a row for each interval and test, the exact binomial test beside it.

    python benchmarks/bench_calibration.py [DRAWS]      default 200 draws, 5,000 at night by `make nightly`

A row is accepted when p of the test against the promised rate is at least 0.001. Fails when one is not.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.promises import PROMISES


def main() -> int:
    """Print the table; return 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("draws", nargs="?", type=lambda text: int(text.replace("_", "")), default=200)
    parser.add_argument("--quick", action="store_true", help="200 draws, whatever is asked for")
    given = parser.parse_args()
    draws = 200 if given.quick else given.draws
    began, good = time.process_time(), True
    print(f"{'method':<38}{'promised':>12}{'observed':>10}{'draws':>8}{'p':>9}")
    for promise in PROMISES:
        hits, p = promise.kept(draws)
        good &= p >= 0.001
        nominal = f"{'<= ' if promise.at_most else ''}{promise.nominal:g}"
        verdict = "accepted" if p >= 0.001 else "NOT KEPT"
        print(
            f"{promise.method:<38}{nominal:>12}{hits / draws:>10.4f}{draws:>8,}{p:>9.4f}  {verdict}",
            flush=True,
        )
    print(f"in {time.process_time() - began:.0f} s of processor time")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
