"""`tidings report` as people and programs read it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from rich.console import Console

from support.measured import (
    AFTERWARDS,
    ANCHOR,
    Happened,
    definitions_with,
    draw,
    enrol,
    happen,
    plan,
    run_seeded,
)
from tidings.cli.report import _instant, command, show
from tidings.clock import FixedClock
from tidings.definitions.hashing import definition_hash
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.measurement.report import Report, make_report
from tidings.store.database import Store

ZONE = ZoneInfo("Europe/Stockholm")


@dataclass
class Opened:
    """What the command asks of a session."""

    store: Store
    definitions: Definitions
    clock: FixedClock

    @property
    def settings(self) -> Opened:
        return self


@pytest.fixture
def seeded(store: Store, monkeypatch: pytest.MonkeyPatch) -> Opened:
    _, definitions = run_seeded(store, n=700)
    opened = Opened(store, definitions, FixedClock(AFTERWARDS))

    @contextmanager
    def open_session(environment: str | None, **_: object) -> Iterator[Opened]:
        yield opened

    monkeypatch.setattr("tidings.cli.session.open_session", open_session)
    return opened


def call(*arguments: str) -> str:
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.output


def test_the_page_names_arms_ratio_effects_funnel_and_says_it_in_words(seeded: Opened) -> None:
    page = call("spring")
    order = [
        "Spring offer (spring)",
        "The window is over for everybody since 2027-04-03 10:00.",
        "arms          holdout",
        "sample ratio  in order (p = ",
        "• Order placed: ",
        "• Revenue: ",
        "effects, per customer",
        "against holdout",
        "adjusted",
        "variance -",
        "from enrolled to converted",
    ]
    places = [page.index(words) for words in order]
    assert places == sorted(places)
    assert max(len(line) for line in page.splitlines()) <= 100


def test_json_is_the_report_and_nothing_else(seeded: Opened) -> None:
    plain = json.loads(call("spring", "--json"))
    assert plain == make_report(seeded.store, seeded.definitions, "spring", as_of=AFTERWARDS).as_json()


def test_as_of_counts_only_what_had_happened(seeded: Opened) -> None:
    plain = json.loads(call("spring", "--json", "--as-of", "2027-03-25"))
    assert plain["as_of"] == "2027-03-25T23:00:00Z"
    assert plain["maturity"]["early"]
    whole = json.loads(call("spring", "--json"))
    assert plain["effects"][0]["mean"] < whole["effects"][0]["mean"]


def test_a_narrow_or_ascii_terminal_still_gets_the_page(seeded: Opened) -> None:
    report = make_report(seeded.store, seeded.definitions, "spring", as_of=AFTERWARDS)
    screen = io.StringIO()
    show(report, Console(file=screen, width=60, highlight=False, markup=False))
    assert "Spring offer" in screen.getvalue()


def test_a_warning_stands_before_the_effects(store: Store) -> None:
    definitions = definitions_with()
    enrolled = [one for one in draw(3, 3000) if one.variant != "warm" or one.customer % 3]
    run_id = plan(store, 1000, {"no_consent": 2})
    enrol(store, enrolled, plan_id=run_id, definition=definition_hash(definitions, "spring"))
    happen(store, [Happened(1, "order_placed", ANCHOR + timedelta(hours=2), 100)])
    screen = io.StringIO()
    report = make_report(store, definitions, "spring", as_of=ANCHOR + timedelta(days=1))
    show(report, Console(file=screen, width=100, highlight=False, markup=False))
    page = screen.getvalue()
    assert (
        page.index("WARNING") < page.index("NOT in order") < page.index("doubtful: the arms are not as drawn")
    )
    assert "Early: the window is over for 0% of the customers" in page
    assert "never agreed to this" in page


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2027-03-20", datetime(2027, 3, 20, 23, 0, tzinfo=UTC)),
        ("2027-03-20T18:00", datetime(2027, 3, 20, 17, 0, tzinfo=UTC)),
        ("2027-03-20T18:00Z", datetime(2027, 3, 20, 18, 0, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_on_the_workspace_clock(text: str, instant: datetime) -> None:
    assert _instant(text, ZONE, AFTERWARDS) == instant


def test_an_instant_that_is_none_is_refused() -> None:
    for text in ("20 March", "9999-12-31", "2027-03-20T25:00"):
        with pytest.raises(UsageError, match="not an instant"):
            _instant(text, ZONE, AFTERWARDS)


def test_no_report_is_made_as_of_a_time_to_come() -> None:
    now = datetime(2027, 3, 20, 11, tzinfo=UTC)
    assert _instant("2027-03-20", ZONE, now) == now
    for text in ("2027-03-21", "2027-03-20T12:01", "2027-03-20T12:01+01:00"):
        with pytest.raises(UsageError, match="is not here yet: it is 2027-03-20 12:00"):
            _instant(text, ZONE, now)


@pytest.mark.parametrize("arguments", [(), ("spring", "--all", "--pdf")])
def test_the_command_needs_a_name_or_all(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="one campaign or of --all"):
        call(*arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--all",), "is a paper"),
        (("--all", "--pdf", "--run", "3"), "are of one campaign"),
        (("spring", "--to", "a@b.example"), "are for --mail"),
        (("spring", "--mail", "--to", "nobody"), "not an e-mail address"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call(*arguments)


def page_of(report: Report) -> str:
    screen = io.StringIO()
    show(report, Console(file=screen, width=100, highlight=False, markup=False))
    return screen.getvalue()


@pytest.mark.parametrize(
    ("share", "row"),
    [
        (0.42, "variance -42%"),
        (0.0344, "variance -3.4%"),
        (0.003, "variance -0.3%"),
        (0.0004, None),
        (-0.01, None),
    ],
)
def test_a_small_reduction_of_variance_is_told_by_its_decimal_and_one_of_nothing_not_at_all(
    make_store: Callable[[str], Store], share: float, row: str | None
) -> None:
    store = make_store("sqlite")
    _, definitions = run_seeded(store, n=700)
    report = make_report(store, definitions, "spring", as_of=AFTERWARDS)
    effects = tuple(
        replace(one, adjusted=replace(one.adjusted, reduction=share))
        for one in report.effects
        if one.adjusted
    )
    assert effects
    page = page_of(replace(report, effects=effects))
    assert page.count(row or "adjusted") == (len(effects) if row else 0)


def test_when_nothing_is_known_since_it_was_sent_the_page_warns_and_shows_no_effect(store: Store) -> None:
    _, definitions = silent_run(store)
    page = page_of(make_report(store, definitions, "spring", as_of=AFTERWARDS))
    assert "WARNING  Nothing is known since it was sent: the last event known is of 2027-03-19 10:00" in page
    assert page.count("2027-03-19") == 1
    assert "effects, per customer" not in page
    assert "no difference" not in page
    assert "from enrolled to converted" in page


def silent_run(store: Store) -> tuple[int, Definitions]:
    definitions = definitions_with()
    run_id = enrol(
        store, draw(3, 400), plan_id=plan(store, 1000), definition=definition_hash(definitions, "spring")
    )
    before = ANCHOR - timedelta(days=1)
    happen(store, [Happened(number, "order_placed", before, 100) for number in range(1, 200)])
    return run_id, definitions


def test_a_report_of_before_the_run_is_one_sentence(seeded: Opened) -> None:
    page = call("spring", "--as-of", "2027-03-19")
    assert page.splitlines()[2:] == ["The run had not begun by then; it begins at 2027-03-20 10:00."]
    plain = json.loads(call("spring", "--json", "--as-of", "2027-03-19"))
    assert plain["warnings"] == ["The run had not begun by then; it begins at 2027-03-20 10:00."]
    assert (plain["effects"], plain["funnel"], plain["words"], plain["notes"]) == ([], [], [], [])
