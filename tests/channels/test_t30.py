"""True fax calls within this process: pages arrive as they were sent, failures are those of real machines."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.components import missing
from support.fax_pages import FAX, NAMES, URLS, compiled, letter, recipient, small_tiff
from tidings.channels import fax_results
from tidings.channels.protocol import (
    ChannelUnavailable,
    Kind,
    Outcome,
    Outgoing,
    Outstanding,
    Polled,
    Receipt,
    ReceiptKind,
    Scope,
)
from tidings.channels.t30 import T30Adapter, library
from tidings.channels.t30.call import Line, call
from tidings.templates.fax.tiff import line_seconds, pages_ink, pages_png

TO = "+46812345678"


@pytest.fixture(autouse=True)
def _library() -> None:
    try:
        library.library()
    except ChannelUnavailable as error:
        missing(f"{error.message}: {error.what_to_do}")


def adapter(folder: Path, **values: Any) -> T30Adapter:
    return T30Adapter(FAX, {"received": str(folder)} | values)


def sent(folder: Path, tiff: bytes, *, to: str = TO, **values: Any) -> Outcome:
    connection = adapter(folder, **values).connect()
    try:
        return connection.submit(Outgoing(7, "+46850001000", to, tiff, reference="ab12cd-7"))
    finally:
        connection.close()


def same(one: bytes, other: bytes) -> bool:
    pairs = list(zip(pages_ink(one), pages_ink(other), strict=True))
    return all(a.shape == b.shape and bool((a == b).all()) for a, b in pairs)


@pytest.mark.parametrize("resolution", ["fine", "standard"])
@pytest.mark.parametrize("lang", ["en", "zh-TW", "zh-CN", "ru"])
def test_a_page_in_each_language_is_received_without_a_differing_picture_element(
    lang: str, resolution: str, tmp_path: Path
) -> None:
    fax = compiled(letter(lang), locale=lang, fallback_locale=lang, resolution=resolution).fill(
        recipient(full_name=NAMES[lang]), URLS
    )
    outcome = sent(tmp_path, fax.tiff)
    assert outcome.kind == Kind.ACCEPTED, outcome
    assert same(fax.tiff, (tmp_path / "ab12cd-7.tif").read_bytes())


def test_several_pages_without_error_correction_arrive_whole(tmp_path: Path) -> None:
    fax = compiled(letter("en", paragraphs=14, rows=30)).fill(recipient(full_name="Anna"), URLS)
    assert fax.pages == 3
    outcome = sent(tmp_path, fax.tiff, ecm=False)
    assert outcome.kind == Kind.ACCEPTED
    assert "3 pages" in outcome.detail
    assert "error correction" not in outcome.detail
    assert same(fax.tiff, (tmp_path / "ab12cd-7.tif").read_bytes())


def test_a_little_noise_does_no_harm(tmp_path: Path) -> None:
    assert sent(tmp_path, small_tiff(), noise=60).kind == Kind.ACCEPTED


def test_the_estimate_of_the_line_time_is_near_to_the_call(tmp_path: Path) -> None:
    for paragraphs, rows in ((2, 3), (14, 30)):
        fax = compiled(letter("en", paragraphs=paragraphs, rows=rows)).fill(recipient(full_name="Anna"), URLS)
        (tmp_path / "sent.tif").write_bytes(fax.tiff)
        result = call(
            str(tmp_path / "sent.tif"), str(tmp_path / "got.tif"), sender="", recipient="", line=Line()
        )
        assert result.code == 0
        assert line_seconds(fax.tiff) == fax.seconds == pytest.approx(result.seconds, rel=0.03)


def test_the_receipt_names_pages_rate_seconds_and_cost(tmp_path: Path) -> None:
    outcome = sent(tmp_path, small_tiff(2))
    channel = adapter(tmp_path)
    assert isinstance(channel, Polled)
    asked = [Outstanding(7, "ab12cd-7", outcome.provider_ref or ""), Outstanding(8, "ab12cd-8", "")]
    events = channel.poll(asked)
    assert len(events) == 1
    told = events[0]
    assert isinstance(told, Receipt)
    assert (told.kind, told.reference, told.units) == (ReceiptKind.DELIVERED, "ab12cd-7", 2)
    assert (told.cost, told.currency) == (Decimal("0.24"), "EUR")
    assert told.raw["rate"] == 14400
    assert 10 < told.raw["seconds"] < 60
    assert told.detail == outcome.detail
    assert channel.poll(asked) == events


def test_the_same_fax_is_called_once(tmp_path: Path) -> None:
    first = sent(tmp_path, small_tiff())
    before = (tmp_path / "ab12cd-7.tif").stat().st_mtime_ns
    again = sent(tmp_path, small_tiff())
    assert (again.kind, again.provider_ref) == (Kind.ACCEPTED, first.provider_ref)
    assert (tmp_path / "ab12cd-7.tif").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"busy": "5678"}, "the number is busy"),
        ({"no_answer": "5678"}, r"nobody answered as a fax machine \(T.30 result 2\)"),
        ({"noisy": "0001, 5678", "line_minutes": 2}, "longer than the line time allowed"),
    ],
)
def test_a_bad_line_is_transient_for_this_number_with_the_pause_of_the_ladder(
    values: dict[str, Any], words: str, tmp_path: Path
) -> None:
    outcome = sent(tmp_path, small_tiff(), **values)
    assert (outcome.kind, outcome.scope) == (Kind.TRANSIENT, Scope.RECIPIENT)
    assert outcome.retry_after == 300
    assert re.search(words, outcome.detail), outcome.detail
    assert list(tmp_path.iterdir()) == []
    assert sent(tmp_path, small_tiff(), to="+46850002000", **values).kind == Kind.ACCEPTED


def test_the_ladder_gives_three_calls_at_least_five_minutes_apart(tmp_path: Path) -> None:
    outcome = sent(tmp_path, small_tiff(), busy="5678")
    assert outcome.retry_after is not None
    assert outcome.retry_after >= fax_results.RETRY_SECONDS == 300
    assert fax_results.TRIES == 3


def test_damaged_pages_are_refused_for_their_content(tmp_path: Path) -> None:
    outcome = sent(tmp_path, small_tiff()[:60] + b"\0" * 40)
    assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.CONTENT), outcome


def test_a_call_that_never_ends_is_cut_at_the_line_time(tmp_path: Path) -> None:
    (tmp_path / "sent.tif").write_bytes(small_tiff())
    result = call(
        str(tmp_path / "sent.tif"),
        str(tmp_path / "got.tif"),
        sender="",
        recipient="",
        line=Line(noise=3000, seconds=30.0),
    )
    assert (result.code, result.seconds) == (None, 30.0)


def test_calls_at_once_do_not_mix(tmp_path: Path) -> None:
    channel = adapter(tmp_path)
    outcomes: dict[int, Outcome] = {}

    def place(number: int) -> None:
        connection = channel.connect()
        outcomes[number] = connection.submit(
            Outgoing(number, "+46850001000", TO, small_tiff(number), reference=f"x-{number}")
        )

    threads = [threading.Thread(target=place, args=(number,)) for number in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcomes[number].kind for number in (1, 2, 3, 4)] == [Kind.ACCEPTED] * 4
    for number in (1, 2, 3, 4):
        assert same(small_tiff(number), (tmp_path / f"x-{number}.tif").read_bytes())


def test_the_memory_of_a_call_is_given_back(tmp_path: Path) -> None:
    (tmp_path / "sent.tif").write_bytes(small_tiff())

    def calls(count: int) -> int:
        for _ in range(count):
            # Long enough to set up modems and buffers; cut, as the worst way to end.
            call(
                str(tmp_path / "sent.tif"),
                str(tmp_path / "got.tif"),
                sender="",
                recipient="",
                line=Line(seconds=9.0),
            )
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    calls(15)
    before = calls(15)
    # A leaked pair of machines is some 250 KB; 40 of them would be 10 MB.
    assert calls(40) - before < 3_000


def test_without_the_library_the_package_to_install_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def gone(*_: object) -> object:
        raise OSError("cannot open shared object file")

    library.library.cache_clear()
    monkeypatch.setattr(library.c, "CDLL", gone)
    with pytest.raises(ChannelUnavailable, match="libspandsp") as told:
        adapter(tmp_path).connect()
    assert told.value.what_to_do == "install the Debian package libspandsp2"
    monkeypatch.undo()
    library.library.cache_clear()


def test_the_received_first_page_holds_the_notice_for_who_reads_it(tmp_path: Path) -> None:
    program = shutil.which("tesseract")
    if program is None:
        missing("tesseract (Debian package tesseract-ocr) is not installed")
    fax = compiled(letter("en")).fill(recipient(full_name="Anna"), URLS)
    assert sent(tmp_path, fax.tiff).kind == Kind.ACCEPTED
    seen = tmp_path / "seen.png"
    seen.write_bytes(pages_png((tmp_path / "ab12cd-7.tif").read_bytes())[0])
    read = subprocess.run(
        [program, str(seen), "-", "--psm", "6"], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    words = " ".join(read.split())
    assert "To get no more faxes from Nordic Garden" in words
    assert "24 hours a day, 7 days a week" in words
    assert "within 30 days is unlawful" in words
    assert "+46 8 500 010 00" in words


def test_a_fax_that_arrived_and_could_not_be_kept_is_never_called_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tidings.channels.t30.adapter.T30Connection._keep", full)
    outcome = sent(tmp_path, small_tiff())
    assert outcome.kind == Kind.IN_DOUBT
    assert "No space left" in outcome.detail
