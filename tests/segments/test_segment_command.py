"""`tidings segment` as people and programs use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from support.workspaces import small_workspace
from tidings.cli.main import execute
from tidings.cli.segment import read_instant
from tidings.cli.session import open_session
from tidings.errors import UsageError
from tidings.segments.membership import refresh
from tidings.store.database import Store
from tidings.store.tables import people
from tidings.store.vocabulary import attributes_table

SEGMENTS = {
    "segments/spenders.yaml": "segment: Big spenders 金\nwhy: They pay.\nwhere:\n  - lifetime_value: at least 100\n"
    "  - segment: reachable\n",
    "segments/reachable.yaml": "segment: Reachable\nwhere:\n  - email: known\n",
    "segments/fair.yaml": "segment: The fair\nmembers: listed\n",
    "segments/fresh.yaml": "segment: Fresh\nwhere:\n  - last_order_at: in the last 30 days\n  - interests: [roses]\n",
}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in a workspace with four customers and return exit code, output and errors."""
    root = small_workspace(tmp_path, SEGMENTS)
    for name in ("TIDINGS_ENVIRONMENT", "TIDINGS_WORKSPACE", "TIDINGS_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "120")
    with open_session() as session:
        fill(session.store, session.settings.definitions)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = execute(["segment", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def fill(store: Store, definitions) -> None:
    table = attributes_table(definitions.attributes)
    with store.durable("test") as connection:
        connection.execute(
            people.customers.insert(),
            [
                {
                    "id": n,
                    "key": f"C-{n}",
                    "u": n,
                    "created_at": 0,
                    "email": None if n == 4 else f"c{n}@x.example",
                }
                for n in range(1, 5)
            ],
        )
        connection.execute(
            table.insert(),
            [
                {"customer_id": 1, "lifetime_value": 1_234_50, "last_order_at": date(2027, 2, 20)},
                {"customer_id": 2, "lifetime_value": 99_99, "last_order_at": date(2026, 1, 1)},
                {"customer_id": 4, "lifetime_value": 500_00, "last_order_at": date(2027, 2, 20)},
            ],
        )
        lists = [
            {"customer_id": n, "attribute": "interests", "value": word}
            for n in (1, 4)
            for word in ("roses", "tea")
        ]
        connection.execute(people.customer_lists.insert(), lists)


def test_a_segment_is_counted_with_a_sample_and_whom_unknown_values_drop(run: Run) -> None:
    code, out, _ = run("spenders", "--now", "2027-03-02")
    assert code == 0
    assert "Big spenders 金" in out
    assert "They pay." in out
    assert "1 of 4 customers (25.0%) as of 2027-03-02 00:00 Europe/Stockholm" in out
    assert "1 left out because lifetime_value is unknown" in out
    assert "1,234.50 EUR" in out
    assert "C-1" in out
    assert "C-2" not in out


def test_json_has_stable_keys_and_plain_values(run: Run) -> None:
    code, out, _ = run("fresh", "--json", "--now", "2027-03-02T10:00", "--limit", "1")
    found = json.loads(out)
    assert code == 0
    assert (found["segment"], found["count"], found["as_of"]) == ("fresh", 2, "2027-03-02T09:00:00Z")
    assert found["sample"] == [{"key": "C-1", "last_order_at": "2027-02-20", "interests": ["roses", "tea"]}]
    assert found["unknown"] == []


def test_now_moves_what_is_seen_and_looking_stores_nothing(run: Run) -> None:
    assert json.loads(run("fresh", "--json", "--now", "2027-03-02")[1])["count"] == 2
    assert json.loads(run("fresh", "--json", "--now", "2027-06-01")[1])["count"] == 0
    with open_session() as session, session.store.read() as connection:
        assert connection.execute(people.segment_members.select()).all() == []
        assert connection.execute(people.segment_runs.select()).all() == []


def test_the_statement_is_printed_with_its_values_apart(run: Run) -> None:
    code, out, _ = run("spenders", "--sql")
    assert code == 0
    assert out.startswith("SELECT customers.id")
    assert "10000" not in out.split("parameters:")[0]
    assert "= 10000" in out.split("parameters:")[1]
    found = json.loads(run("spenders", "--sql", "--json")[1])
    assert found["sql"].count("?") == len(found["parameters"])


def test_without_a_name_every_segment_is_listed_with_the_age_of_what_is_stored(run: Run) -> None:
    with open_session() as session:
        refresh(
            session.store, session.settings.definitions, ["spenders"], now=datetime(2027, 3, 1, 9, tzinfo=UTC)
        )
    code, out, _ = run("--now", "2027-03-02T10:00")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "stored 24 hours ago" in lines["spenders"]
    assert "never stored" in lines["fresh"]
    assert "kept as a list" in lines["fair"]
    rows = {row["segment"]: row for row in json.loads(run("--json")[1])}
    assert (rows["spenders"]["count"], rows["spenders"]["as_of"]) == (1, "2027-03-01T09:00:00Z")
    assert rows["fresh"]["count"] is None
    assert rows["spenders"]["changed_since"] is False


def test_an_unknown_name_is_answered_with_the_nearest(run: Run) -> None:
    code, out, err = run("spendrs")
    assert (code, out) == (2, "")
    assert 'there is no segment "spendrs"' in err
    assert 'did you mean "spenders"?' in err


def test_an_instant_that_is_none_is_answered_with_how_to_write_it(run: Run) -> None:
    code, _, err = run("spenders", "--now", "2 March")
    assert code == 2
    assert "2027-03-02T10:00" in err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-03-02", datetime(2027, 3, 1, 23, tzinfo=UTC)),
        ("2027-03-02T10:00", datetime(2027, 3, 2, 9, tzinfo=UTC)),
        ("2027-03-02T10:00Z", datetime(2027, 3, 2, 10, tzinfo=UTC)),
        ("2027-03-02 10:00+08:00", datetime(2027, 3, 2, 2, tzinfo=UTC)),
    ],
)
def test_an_instant_without_a_zone_is_meant_on_the_workspace_clock(text: str, expected: datetime) -> None:
    assert read_instant(text, ZoneInfo("Europe/Stockholm")) == expected


def test_an_instant_past_the_calendar_is_refused_with_a_sentence() -> None:
    with pytest.raises(UsageError, match="not a date"):
        read_instant("0001-01-01", ZoneInfo("Asia/Taipei"))


def test_the_check_counts_the_segments_when_it_is_asked_to(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "segments" / "not_gold.yaml").write_text(
        "segment: Not gold\nwhere:\n  - country: {not: SE}\n"
    )
    assert execute(["check", "--counts"]) == 0
    out = capsys.readouterr().out
    assert "segments/not_gold.yaml: " in out and " of them because country is unknown" in out
    assert "segments/spenders.yaml: " in out and " left out because lifetime_value is unknown" in out
    assert "segments/fair.yaml" not in out
    assert execute(["check", "segments/reachable.yaml", "--counts", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["counts"]
    assert list(told) == ["segments/reachable.yaml"]
    assert told["segments/reachable.yaml"]["customers"] == 4


def test_the_check_makes_no_store_to_count_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small_workspace(tmp_path))
    assert execute(["check", "--counts"]) == 2
    assert "there is no store yet" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.sqlite"))
