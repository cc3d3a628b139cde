"""config/rates.csv: the last rate of or before an instant, either way round, and what is wrong with its place."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tidings.clock import to_micros
from tidings.errors import TidingsError
from tidings.measurement.rates import Rates, read_rates

ZONE = ZoneInfo("Europe/Stockholm")
HEADER = "day,from,to,rate\n"


def rates(folder: Path, text: str | bytes) -> Rates:
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "rates.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return read_rates(str(folder), ZONE)


def at(*instants: datetime) -> np.ndarray:
    return np.array([to_micros(one) for one in instants])


def test_a_rate_holds_from_the_first_minute_of_its_day_on_the_workspace_clock(tmp_path: Path) -> None:
    found = rates(tmp_path, HEADER + "2027-03-05,USD,EUR,0.5\n2027-03-01,USD,EUR,0.9\n")
    instants = at(
        datetime(2027, 3, 4, 22, 59, tzinfo=UTC),
        datetime(2027, 3, 4, 23, 0, tzinfo=UTC),
        datetime(2028, 1, 1, tzinfo=UTC),
    )
    converted = found.convert(np.array([1000, 1000, 5]), instants, "USD", "EUR")
    assert converted is not None
    # Half a cent goes to the even one.
    assert converted.tolist() == [900, 500, 2]
    assert found.convert(np.array([1]), at(datetime(2027, 2, 1, tzinfo=UTC)), "USD", "EUR") is None
    assert found.convert(np.array([1]), instants[:1], "GBP", "EUR") is None


def test_the_other_way_round_and_other_decimals_are_counted(tmp_path: Path) -> None:
    found = rates(tmp_path, "\ufeff" + HEADER + "2027-01-01,EUR,JPY,160\n")
    instant = at(datetime(2027, 3, 1, tzinfo=UTC))
    for amount, one, other, result in (
        (100, "EUR", "JPY", 160),
        (160, "JPY", "EUR", 100),
        (7, "EUR", "EUR", 7),
    ):
        converted = found.convert(np.array([amount]), instant, one, other)
        assert converted is not None
        assert converted.tolist() == [result]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day,from,to\n", "config/rates.csv:1: the column rate is missing"),
        (
            HEADER + "2027-01-01,EUR,JPY,160\n2027-01-01,EURO,JPY,160\n",
            'config/rates.csv:3: "EURO" is no currency',
        ),
        (HEADER + "1 March,EUR,JPY,160\n", "config/rates.csv:2: the day or the rate cannot be read"),
        (HEADER + "2027-01-01,EUR,JPY,\n", "config/rates.csv:2: the day or the rate cannot be read"),
        (HEADER + "2027-01-01,EUR,JPY,0\n", "config/rates.csv:2: a rate is more than 0"),
        (HEADER + "2027-01-01,EUR,JPY,NaN\n", "config/rates.csv:2: a rate is more than 0"),
        (HEADER + "2027-01-01,EUR\n", 'config/rates.csv:2: "" is no currency'),
        ((HEADER + "é").encode("latin-1"), "this is no CSV in UTF-8"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(TidingsError, match=message):
        rates(tmp_path, text)


def test_no_file_is_no_rates(tmp_path: Path) -> None:
    assert read_rates(str(tmp_path), ZONE).known == {}
    assert read_rates("", ZONE).known == {}
