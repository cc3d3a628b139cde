"""The rows of `make shown-02` and `make shown-03` say NO when what they claim is not so."""

from __future__ import annotations

import pytest

from shown import shown_02
from shown.showing import Shown, reference_figures, show
from shown.shown_02 import demo_figures, kill_figures, locked
from shown.shown_03 import bench_figures
from support.components import missing

LOCK = "".join(f"package{number}==1.0 \\\n    --hash=sha256:{number:064}\n" for number in range(12))
STORM = "30 kills in 9 s: 0 lost, 0 sent twice (worst 1 copies), 7 in doubt (3 at most per kill)"
GUILTY = "found guilty, {}: 6 kills in 2 s: {} lost, {} sent twice (worst 2 copies), 0 in doubt (9 at most per kill)"
KILLS = "\n".join(
    [
        *(f"{name}: {STORM}" for name in ("sqlite", "postgresql")),
        *(f"{name}: {GUILTY.format('marks after', 0, 90)}" for name in ("sqlite", "postgresql")),
        *(f"{name}: {GUILTY.format('moves its cursor', 80, 0)}" for name in ("sqlite", "postgresql")),
        f"postgresql, kill backend: {STORM.replace('30 kills in 9 s', '2 kills')}",
        "45 passed in 60.0s",
    ]
)
DEMO = (
    "20 e-mails reached the mailboxes (with a letter of the week before), the ledger says 20; 0 came twice.\n"
    "warm    order_placed  1.0 points  0.4 … 1.9  yes\nwarm    revenue  1.0 EUR  0.4 … 1.9  yes\n"
    "direct  order_placed  1.0 points  0.4 … 1.9  yes\ndirect  revenue  1.0 EUR  0.4 … 1.9  no\n"
)


def test_figures_as_claimed_are_told() -> None:
    assert locked(LOCK, 0) == "12 packages, 12 hashes, 0 URLs"
    assert "marks after" in kill_figures(KILLS, 0)
    assert "inside 3 of 4" in demo_figures(DEMO, 50)


@pytest.mark.parametrize(
    "lock",
    [
        "",
        LOCK + "one @ https://host.example/one.whl\n",
        LOCK + "--index-url host.example\n",
        LOCK + "bare==1.0\n",
    ],
)
def test_a_lock_with_a_host_or_without_hashes_is_refused(lock: str) -> None:
    with pytest.raises(ValueError):
        locked(lock, 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sqlite: 30 kills", "sqlite: 29 kills"),
        (f"postgresql: {STORM}\n", ""),
        ("0 lost, 0 sent twice (worst 1", "1 lost, 0 sent twice (worst 1"),
        ("2 kills: 0 lost, 0 sent twice", "2 kills: 0 lost, 1 sent twice"),
        ("0 lost, 90 sent twice", "0 lost, 0 sent twice"),
        ("sqlite: found guilty, marks", "sqlite, marks"),
        ("kill backend", "terminate backends"),
    ],
)
def test_a_storm_that_is_not_as_claimed_is_refused(old: str, new: str) -> None:
    assert old in KILLS
    with pytest.raises(ValueError):
        kill_figures(KILLS.replace(old, new), 0)


@pytest.mark.parametrize(
    ("old", "new", "seconds"),
    [
        ("", "", 90),
        ("says 20;", "says 21;", 50),
        ("0 came twice", "1 came twice", 50),
        ("1.9  yes\nwarm", "1.9  no\nwarm", 50),
        ("direct  revenue", "", 50),
        ("reached", "left", 50),
    ],
)
def test_a_demo_that_is_not_as_claimed_is_refused(old: str, new: str, seconds: float) -> None:
    with pytest.raises(ValueError):
        demo_figures(DEMO.replace(old, new), seconds)


def test_reference_data_that_is_there_must_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIDINGS_REFERENCE_DATA", raising=False)
    assert reference_figures("7 skipped in 1s", 0) == "skipped: no data"
    monkeypatch.setenv("TIDINGS_REFERENCE_DATA", "somewhere")
    assert reference_figures("7 passed in 1s", 0) == "7 passed in 1s"
    with pytest.raises(ValueError):
        reference_figures("6 passed, 1 skipped in 1s", 0)


def test_a_row_fails_with_its_command_or_its_figure(capsys: pytest.CaptureFixture[str]) -> None:
    def ok(command: str) -> str:
        return show(Shown("1", "a claim", command, shown_02.PASSED))["ok"]

    assert ok("echo 3 passed in 1s; test $TIDINGS_REQUIRE_ALL = 1") == "yes"
    assert ok("echo 3 passed in 1s; exit 1") == "NO"
    assert ok("echo nothing") == "NO"


def test_a_missing_component_fails_when_everything_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIDINGS_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such server"):
        missing("no such server")
    monkeypatch.setenv("TIDINGS_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="no such server"):
        missing("no such server")


BENCHMARKS = "\n".join(
    f"== one{number}\nfirst  {number}.0 s (target: at most 10 s): met\nsecond  ratio {number}"
    for number in range(3)
)
AGAIN = "\n== one1, once more: a target was not reached\nfirst  9.0 s (target: at most 10 s): {}\n== last\nratio 4\n"


def test_a_benchmark_measured_once_more_counts_by_its_second_figures() -> None:
    missed = BENCHMARKS.replace("1.0 s (target: at most 10 s): met", "11.0 s (target: at most 10 s): missed")
    told = bench_figures(missed + AGAIN.format("met"), 0)
    assert "11.0 s" not in told
    assert "== one1, once more: a target was not reached\nfirst  9.0 s" in told
    assert told.count("first") == 3
    for wrong in (missed, missed + AGAIN.format("missed"), BENCHMARKS + "\nmissed: ratio"):
        with pytest.raises(ValueError, match="missed"):
            bench_figures(wrong, 0)
