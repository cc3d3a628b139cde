import gzip
import io
import tracemalloc
from pathlib import Path

import pytest

from tidings.customers.reading import Limits, fingerprint, open_rows, require_columns
from tidings.errors import TidingsError


def rows_of(path: Path, limits: Limits | None = None) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    with open_rows(path, limits) as rows:
        return rows.header, list(rows)


def refused(path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(TidingsError) as error:
        rows_of(path, limits)
    assert "\n" not in error.value.message
    return error.value.message


def put(tmp_path: Path, content: bytes, name: str = "f.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_rows_come_with_the_line_on_which_they_begin(tmp_path: Path) -> None:
    path = put(tmp_path, b'id,text\r\n1,plain\r\n\r\n2,"two\r\nlines"\r\n3,end')
    assert rows_of(path) == (
        ("id", "text"),
        [(2, ["1", "plain"]), (4, ["2", "two\r\nlines"]), (6, ["3", "end"])],
    )


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_the_separator_is_that_of_the_header(tmp_path: Path, mark: str) -> None:
    path = put(tmp_path, f"a{mark}b{mark}c\n1{mark}2{mark}3\n".encode())
    assert rows_of(path)[1] == [(2, ["1", "2", "3"])]


def test_a_byte_order_mark_and_packing_do_not_show(tmp_path: Path) -> None:
    text = "\ufeffnamn,ort\nÅsa,Malmö\n".encode()
    plain = rows_of(put(tmp_path, text))
    assert plain == rows_of(put(tmp_path, gzip.compress(text), "f.csv.gz"))
    assert plain == (("namn", "ort"), [(2, ["Åsa", "Malmö"])])


def test_text_that_is_not_utf8_names_its_line(tmp_path: Path) -> None:
    path = put(tmp_path, "id,name\n1,Åsa\n".encode() + "2,Åsa\n".encode("latin-1"))
    assert "line 3: the text is not UTF-8" in refused(path)


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"PK\x03\x04", "archive"),
        (b"%PDF-1.7", "PDF"),
        # Without a time stamp: every worker of the suite must find the same tests.
        (gzip.compress(gzip.compress(b"a,b\n1,2\n", mtime=0), mtime=0), "inside another"),
        (b"", "empty"),
        (b"\n", "empty"),
    ],
)
def test_what_is_no_csv_is_said_to_be_what_it_is(tmp_path: Path, start: bytes, what: str) -> None:
    assert what in refused(put(tmp_path, start))


def test_a_missing_file_and_a_folder_are_said_so(tmp_path: Path) -> None:
    assert "no file" in refused(tmp_path / "none.csv")
    assert "folder" in refused(tmp_path)


def test_a_packed_file_that_is_cut_off_or_damaged_is_said_so(tmp_path: Path) -> None:
    packed = gzip.compress(b"id,x\n" + b"".join(b"%d,%d\n" % (n, n * 7919 % 10007) for n in range(20_000)))
    assert "cut off" in refused(put(tmp_path, packed[: len(packed) // 2], "a.gz"))
    assert "damaged" in refused(put(tmp_path, packed[:5000] + b"\0" * 500 + packed[5500:], "b.gz"))


def test_a_bomb_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb") as file:
        file.write(b"id,x\n")
        # Long lines: what is counted is bytes, and each row costs time under tracemalloc.
        for _ in range(20):
            file.write((b"1," + b"2" * 1021 + b"\n") * 1024)
    tracemalloc.start()
    assert "times its size" in refused_while_reading(put(tmp_path, buffer.getvalue(), "bomb.csv.gz"))
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def refused_while_reading(path: Path) -> str:
    with pytest.raises(TidingsError) as error, open_rows(path) as rows:
        for _ in rows:
            pass
    return error.value.message


def test_one_endless_line_is_refused(tmp_path: Path) -> None:
    assert "over 1 MB" in refused(put(tmp_path, b"id,x\n" + b"1" * (3 << 20)))
    assert "over 1 MB" in refused(put(tmp_path, b"1" * (3 << 20)))


def test_a_quote_that_is_never_closed_is_refused(tmp_path: Path) -> None:
    message = refused(put(tmp_path, b'id,x\n1,"open\n' + b"2,x\n" * 60_000))
    assert "quote" in message


def test_too_many_columns_are_refused(tmp_path: Path) -> None:
    assert "2,001 columns" in refused(put(tmp_path, b",".join([b"c"] * 2001) + b"\n"))


def test_missing_columns_are_all_named_at_once_with_the_nearest() -> None:
    with pytest.raises(TidingsError) as error:
        require_columns(
            ("customer_id", "e-mail", "x", "x"), ["customer", "email", "x", "zip"], file="f.csv", mapping="m"
        )
    assert error.value.message == (
        'f.csv does not have the columns that m names: "customer" (did you mean "customer_id"?); '
        '"email" (did you mean "e-mail"?); "x" stands there 2 times; "zip"'
    )
    assert "customer_id" in error.value.what_to_do


def test_the_fingerprint_covers_every_byte_and_what_decides_the_reading(tmp_path: Path) -> None:
    a, b = put(tmp_path, b"x" * 10**6, "a"), put(tmp_path, b"x" * 500_000 + b"y" + b"x" * 499_999, "b")
    assert (
        len(
            {
                fingerprint(a),
                fingerprint(b),
                fingerprint(a, "m"),
                fingerprint(a, "m", ""),
                fingerprint(a, "n"),
            }
        )
        == 5
    )
    assert fingerprint(a, "m") == fingerprint(put(tmp_path, b"x" * 10**6, "c"), "m")
