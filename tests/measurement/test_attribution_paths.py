"""Files of aggregated paths: what is read, what is refused with its place, what is said where there is nothing to say."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tidings.cli.attribute import command
from tidings.errors import TidingsError, UsageError
from tidings.measurement.attribution.models import Tuning
from tidings.measurement.attribution.path_file import answer_paths, read_paths

HEADER = "path,total_conversions,total_conversion_value,total_null\n"
SMALL = HEADER + "search > email,1,9,0\nsearch,1,1,2\n"
NO_TIMES = ("first", "last", "linear", "position", "markov", "shapley")


def written(folder: Path, text: str | bytes, name: str = "paths.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def call(*arguments: str | Path) -> str:
    result = CliRunner().invoke(command, [str(one) for one in arguments], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.output


def test_json_has_conversions_by_model_and_channel_and_the_observed_rate(tmp_path: Path) -> None:
    plain = json.loads(call("--paths", written(tmp_path, SMALL), "--json"))
    assert plain["models"]["first"] == {"email": 0.0, "search": 2.0}
    assert plain["models"]["last"] == {"email": 1.0, "search": 1.0}
    assert plain["models"]["linear"] == {"email": 0.5, "search": 1.5}
    assert plain["models"]["position"] == {"email": 0.5, "search": 1.5}
    assert plain["models"]["markov"] == pytest.approx({"email": 2 / 3, "search": 4 / 3})
    assert plain["models"]["shapley"] == {"email": 0.5, "search": 1.5}
    assert plain["observed_rate"] == 0.5
    assert plain["values"]["markov"] == {"email": 4.74, "search": 5.26}
    assert set(plain["models"]) == set(NO_TIMES)


def test_the_page_says_totals_models_and_that_credit_is_not_cause(tmp_path: Path) -> None:
    page = call("--paths", written(tmp_path, SMALL))
    assert "4 paths, 2 ended in a conversion (50.00%), and brought 10.00" in page
    assert "It does not say what would have come without them." in page
    assert [line.split() for line in page.splitlines() if line.startswith("search")][0] == [
        "search", "2", "1", "1.5", "1.5", "1.3", "1.5",
    ]  # fmt: skip
    assert max(len(line) for line in page.splitlines()) <= 100


def test_gzip_a_byte_order_mark_other_columns_and_quotes_are_read(tmp_path: Path) -> None:
    text = '\ufeffn,total_null,path,total_conversions,total_conversion_value\r\n1,2,"a, b >c",1.0,2.5\r\n,,,,\r\n'
    paths = read_paths(written(tmp_path, gzip.compress(text.encode()), "paths.csv.gz"))
    assert paths.names == ("a, b", "c")
    assert (paths.total, float(paths.values.sum()), float(paths.nulls.sum())) == (1, 2.5, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,total_conversions,total_null\na,1,1\n",
            r"paths.csv:1: the column total_conversion_value is missing",
        ),
        (
            "",
            r"paths.csv:1: the columns path, total_conversions, total_conversion_value, total_null are missing",
        ),
        (HEADER + "a > > b,1,1,0\n", r'paths.csv:2: "a > > b" is no path'),
        (HEADER + ",1,1,0\n", r'paths.csv:2: "" is no path'),
        (HEADER + "a,1,1,0\nb,many,1,0\n", r'paths.csv:3: "many" is no number for total_conversions'),
        (HEADER + "a,nan,1,0\n", r'"nan" is no number'),
        (HEADER + "a,-1,1,0\n", r'"-1" is no number for total_conversions'),
        (HEADER + "a,1\n", r"paths.csv:2: this row has fewer cells"),
        ((HEADER + "ä,1,1,0\n").encode("latin-1"), r"this is not UTF-8"),
        (gzip.compress(SMALL.encode(), mtime=0)[:-12], r"this gzip file is broken"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(TidingsError, match=message):
        read_paths(written(tmp_path, text))


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_paths(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("rows", "rate", "words"),
    [
        ("", None, "no path in this file"),
        ("a,0,0,0\n", None, "no path in this file"),
        ("a,0,0,5\n", 0.0, "None of these paths ended in a conversion"),
        ("a > b,5,0,0\n", 1.0, "Every path ended in a conversion"),
    ],
)
def test_nothing_to_learn_from_is_a_sentence_and_never_nan(
    tmp_path: Path, rows: str, rate: float | None, words: str
) -> None:
    path = written(tmp_path, HEADER + rows)
    text = call("--paths", path, "--json")
    assert "NaN" not in text
    plain = json.loads(text)
    assert plain["observed_rate"] == rate
    assert words in plain["words"][0]
    assert words in " ".join(call("--paths", path).split())


def test_paths_answer_no_question_that_needs_the_store_or_times(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)
    for arguments in (["--from", "2027-01-01"], ["--sensitivity"], ["--by", "campaign"], ["--path-of", "A"]):
        with pytest.raises(UsageError, match="neither days nor orders"):
            call("--paths", path, *arguments)
    with pytest.raises(UsageError, match="does not say"):
        call("--paths", path, "--model", "time_decay")


def test_one_model_and_a_higher_order_can_be_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "a > b > a,3,0,1\nb > a,1,0,4\na,1,0,1\n")
    one, two = (
        json.loads(call("--paths", path, "--json", "--model", "markov", "--order", str(order)))
        for order in (1, 2)
    )
    assert list(one["models"]) == ["markov"]
    assert (one["order"], two["order"]) == (1, 2)
    assert one["models"]["markov"]["b"] != pytest.approx(two["models"]["markov"]["b"])
    many = HEADER + "".join(f"c{n},1,1,1\n" for n in range(2000))
    with pytest.raises(UsageError, match="too many states"):
        answer_paths(written(tmp_path, many, "many.csv"), ("markov",), Tuning(order=9))


def test_more_than_twenty_channels_are_sampled_by_the_rate_and_the_error_is_said(tmp_path: Path) -> None:
    rows = "".join(f"c{n} > c{(n * 7) % 23} > c{(n * 5) % 23},{n % 4},1,{n % 3 + 1}\n" for n in range(23))
    path = written(tmp_path, HEADER + rows)
    plain = json.loads(call("--paths", path, "--json", "--model", "shapley", "--worth", "rate"))
    assert sum(plain["models"]["shapley"].values()) == pytest.approx(plain["conversions"])
    assert set(plain["standard_errors"]["shapley"]) == set(plain["models"]["shapley"])
    assert "Shapley was sampled: its standard error is" in call("--paths", path, "--worth", "rate")
