"""Claim, command, figure for each point of the first path, printed as a table: `make shown-02`.

Points on the command line show those alone: `python tests/shown/shown_02.py 1 2`. With SHOWN_CI=1 `.ci/run` is timed as well.
A row says NO when its command fails, when its output lacks the figure, or when the figure is not what is claimed.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shown.showing import PASSED, PYTEST, Shown, claim, last, main, reference_figures, suite_figures

DEMO_SECONDS = 90
KILLS = 30


def locked(text: str, seconds: float) -> str:
    """Return how many packages the lock has, each with a hash, and that no line holds a URL or an index."""
    lines = text.splitlines()
    packages = [line for line in lines if re.match(r"[a-z0-9][\w.-]*==", line)]
    hashes = [line for line in lines if "--hash=sha256:" in line]
    hosts = [
        line for line in lines if re.search(r"://|^\s*(?:-i|-f|--(?:extra-)?index-url|--find-links)\b", line)
    ]
    bare = [
        one
        for one, after in zip(lines, [*lines[1:], ""], strict=True)
        if one in packages and "--hash" not in after
    ]
    claim(len(packages) > 10, f"only {len(packages)} packages are locked")
    claim(not bare, f"without a hash: {bare}")
    claim(not hosts, f"with a host: {hosts}")
    return f"{len(packages)} packages, {len(hashes)} hashes, 0 URLs"


def import_figures(text: str, seconds: float) -> str:
    """Return the rates of the import benchmark, which fails by itself below its targets."""
    rates = [line.strip() for line in text.splitlines() if "rows per CPU-second" in line]
    claim(len(rates) == 5, f"{len(rates)} rates instead of 5")
    return "\n".join(rates)


def kill_figures(text: str, seconds: float) -> str:
    """Return kills, lost, twice and in doubt for each database, and that both wrong senders were found guilty."""
    found = re.findall(
        r"(?m)^(\w+)(, [^:\n]+)?: (found guilty, )?(.*?(\d+) kills[^:]*: (\d+) lost, (\d+) sent twice.*)$",
        text,
    )
    claim(bool(found), "no figures of kills in the output")
    honest = [one for one in found if not one[2]]
    for database in ("sqlite", "postgresql"):
        storm = [one for one in honest if one[0] == database and not one[1]]
        claim([int(one[4]) for one in storm] == [KILLS], f"not {KILLS} kills on {database}")
        guilty = [one for one in found if one[0] == database and one[2]]
        claim(len(guilty) == 2, f"{len(guilty)} of 2 wrong senders found guilty on {database}")
        claim(
            all(int(one[5]) + int(one[6]) > 0 for one in guilty),
            f"a guilty sender without a crime on {database}",
        )
    claim(any("kill backend" in one[1] for one in honest), "no killed backend")
    claim(all((one[5], one[6]) == ("0", "0") for one in honest), "our sender lost or repeated a message")
    return "\n".join(f"{one[0]}{one[1]}: {one[2]}{one[3]}" for one in found) + f"\n{PASSED(text, seconds)}"


def demo_figures(text: str, seconds: float) -> str:
    """Return how long the demo took, what went out and whether the truth lies inside the intervals."""
    sent = re.search(
        r"([\d,]+) e-mails reached the mailboxes[^,]*, the ledger\s+says ([\d,]+); ([\d,]+) came twice", text
    )
    claim(sent is not None, "the demo does not say what reached the mailboxes")
    assert sent is not None
    received, ledger, twice = (int(number.replace(",", "")) for number in sent.groups())
    truths = re.findall(r"(?m)^(?:warm|direct)\s+(?:order_placed|revenue)\s.*?(yes|no)\s*$", text)
    inside = truths.count("yes")
    figure = (
        f"{seconds:.0f} s; received {received:,}, ledger {ledger:,}, twice {twice}; "
        f"planted truth inside {inside} of {len(truths)} intervals"
    )
    claim(seconds < DEMO_SECONDS, f"{figure}: {DEMO_SECONDS} s or more")
    claim(
        received == ledger > 0 and twice == 0,
        f"{figure}: mailboxes and ledger differ, or something came twice",
    )
    # Intervals at 95 %: one of four may miss now and then, two together hardly ever.
    claim(len(truths) == 4 and inside >= 3, f"{figure}: fewer than 3 of 4")
    return figure


ROWS = [
    Shown(
        "1",
        "house rules: lint, strict types, import order, module ceiling, banned calls, lock without a host",
        "make check",
        PASSED,
    ),
    Shown("1", "dependencies locked with hashes, no URL", "cat requirements.lock", locked),
    Shown(
        "2",
        "every definition of the workspace is sound, in under half a second of processor time, without sqlalchemy, "
        "prefect or scipy",
        "python tests/shown/start_up.py",
        last(r"\d+ files, no problems, [\d.]+ s of processor time, loaded of [\w, ]+: none"),
    ),
    Shown(
        "2",
        "loader, phrases, keyboard traps, every code provoked",
        f"{PYTEST} tests/definitions tests/config",
        PASSED,
    ),
    Shown(
        "3",
        "every store test on SQLite and PostgreSQL; upgrade from empty equals the tables",
        f"{PYTEST} tests/store",
        PASSED,
    ),
    Shown("4", "imports: twice, overlapping, killed, resumed", f"{PYTEST} tests/customers", PASSED),
    Shown(
        "4",
        "rows per CPU-second with and without phone numbers",
        "python benchmarks/bench_import.py",
        import_figures,
    ),
    Shown("5", "membership equal to a naive evaluator on both databases", f"{PYTEST} tests/segments", PASSED),
    Shown(
        "6",
        "arms identical in SQL and Python for 200 salts; plans, drift, one run an occurrence",
        f"{PYTEST} tests/campaigns",
        PASSED,
    ),
    Shown(
        "7",
        "templates, escapes, MIME; adapters against the conformance kit",
        f"{PYTEST} tests/templates tests/channels",
        PASSED,
    ),
    Shown(
        "8",
        f"5,000 messages, {KILLS} kills, both databases, killed backends: nothing lost or twice; two wrong senders guilty",
        f"TIDINGS_KILLS={KILLS} python -m pytest -q -s -m 'not nightly' tests/delivery/test_crash_harness.py tests/delivery/test_faults.py "
        "-k 'kills or guilty or harness or killed_backends'",
        kill_figures,
    ),
    Shown("8", "claims, gate, doubt, verify, pause", f"{PYTEST} tests/delivery", PASSED),
    Shown(
        "9",
        "tracker, spool, tokens, two supervised children",
        f"{PYTEST} tests/responses tests/tokens tests/flows",
        PASSED,
    ),
    Shown(
        "10",
        "intervals calibrated by simulation; report on both databases",
        f"{PYTEST} tests/statistics tests/measurement",
        PASSED,
    ),
    Shown(
        "11",
        f"the demo: 20,000 customers in under {DEMO_SECONDS} s, truth beside the report",
        "make demo",
        demo_figures,
    ),
    Shown(
        "11",
        "Online Retail and Hillstrom (needs TIDINGS_REFERENCE_DATA)",
        f"{PYTEST} -rs -m public tests/reference_data",
        reference_figures,
    ),
    Shown("12", "bad input: one sentence each, nothing lost", f"{PYTEST} tests/cli", PASSED),
    Shown("12", "tutorial and every YAML block of the docs", f"{PYTEST} tests/docs", PASSED),
    Shown("all", "the whole suite", "make test", suite_figures),
]
if os.environ.get("SHOWN_CI") == "1":
    ROWS.append(Shown("ci", "everything that CI runs", ".ci/run", suite_figures))


if __name__ == "__main__":
    sys.exit(main(ROWS))
