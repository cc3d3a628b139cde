"""The spool keeps what it said it kept, whatever is cut off or fails."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from datetime import UTC, datetime

import pytest

from tidings.clock import FixedClock
from tidings.responses.group import GroupCommit
from tidings.responses.spool import (
    LONGEST_RECORD,
    SpoolWriter,
    clear_unfinished,
    encode,
    read_chunk,
    waiting_files,
)

RECORDS = [{"k": "click", "m": n, "url": "https://x/" + "ü園\n" * n} for n in range(6)]


def written(folder, clock, records=RECORDS):
    writer = SpoolWriter(folder, clock)
    writer.append([encode(record) for record in records])
    writer.close()
    (path,) = waiting_files(folder)
    return path


def all_records(path):
    found, offset, torn = [], 0, 0
    while True:
        chunk = read_chunk(path, offset, 2)
        found += [record for _, record in chunk.records]
        torn += chunk.torn
        assert chunk.next_offset >= offset
        if chunk.next_offset == offset:
            return found, torn, chunk.ended
        offset = chunk.next_offset


def test_what_was_appended_is_read_in_order(tmp_path, clock) -> None:
    assert all_records(written(tmp_path, clock)) == (RECORDS, 0, True)


def test_a_file_cut_at_any_byte_gives_exactly_the_whole_records(tmp_path, clock) -> None:
    path = written(tmp_path, clock)
    data = path.read_bytes()
    ends = [0]
    for record in RECORDS:
        ends.append(ends[-1] + len(encode(record)))
    assert ends[-1] == len(data)
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends[1:])
        assert all_records(path) == (RECORDS[:whole], int(cut not in ends), True), cut


def test_a_changed_byte_costs_only_the_record_it_stands_in(tmp_path, clock) -> None:
    path = written(tmp_path, clock)
    data = path.read_bytes()
    starts, place = [], 0
    for record in RECORDS:
        starts.append(place)
        place += len(encode(record))
    for spot in range(len(data)):
        changed = bytearray(data)
        changed[spot] ^= 0x01
        path.write_bytes(changed)
        found, torn, ended = all_records(path)
        hurt = max(n for n, start in enumerate(starts) if start <= spot)
        # A changed line feed joins its record with the next one.
        also = {hurt + 1} if data[spot : spot + 1] == b"\n" else set()
        assert found == [record for n, record in enumerate(RECORDS) if n != hurt and n not in also], spot
        assert torn >= 1
        assert ended


def test_a_file_under_a_writer_is_not_finished(tmp_path, clock) -> None:
    writer = SpoolWriter(tmp_path, clock)
    writer.append([encode({"k": "open"})])
    (path,) = waiting_files(tmp_path)
    assert not read_chunk(path, 0, 10).ended
    with path.open("ab") as file:
        file.write(encode({"k": "open"})[:-5])
    half = read_chunk(path, 0, 10)
    assert (len(half.records), half.torn, half.ended) == (1, 0, False)
    writer.close()
    done = read_chunk(path, half.next_offset, 10)
    assert (done.torn, done.ended) == (1, True)


def test_files_are_rotated_and_come_in_order(tmp_path) -> None:
    clock = FixedClock(datetime(2027, 1, 1, tzinfo=UTC))
    writer = SpoolWriter(tmp_path, clock, rotate_at=100)
    for n in range(9):
        writer.append([encode({"k": "click", "n": n, "pad": "x" * 60})])
        clock.sleep(1)
    writer.close()
    paths = waiting_files(tmp_path)
    assert len(paths) == 9
    assert [record["n"] for path in paths for record in all_records(path)[0]] == list(range(9))
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}


def test_after_a_failed_write_the_file_is_never_written_again(tmp_path, clock) -> None:
    full = []

    def write(file: int, data: bytes) -> int:
        if full:
            os.write(file, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(file, data)

    writer = SpoolWriter(tmp_path, clock, write=write)
    writer.append([encode({"n": 1})])
    full.append(1)
    for _ in range(3):
        with pytest.raises(OSError):
            writer.append([encode({"n": 2, "pad": "y" * 50})])
    full.clear()
    writer.append([encode({"n": 3})])
    writer.close()
    # One file before and one after: those begun in vain on the full disk are gone.
    first, second = waiting_files(tmp_path)
    contents = sorted([all_records(first), all_records(second)], key=lambda found: found[0][0]["n"])
    assert contents == [([{"n": 1}], 1, True), ([{"n": 3}], 0, True)]


def test_a_failed_sync_is_a_failure(tmp_path, clock) -> None:
    def sync(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError):
        SpoolWriter(tmp_path, clock, sync=sync).append([encode({"n": 1})])


def test_short_writes_are_continued(tmp_path, clock) -> None:
    writer = SpoolWriter(tmp_path, clock, write=lambda file, data: os.write(file, data[:3]))
    writer.append([encode({"n": 1}), encode({"n": 2})])
    writer.close()
    (path,) = waiting_files(tmp_path)
    assert all_records(path)[0] == [{"n": 1}, {"n": 2}]


def test_too_large_a_record_is_refused_before_it_is_written() -> None:
    with pytest.raises(ValueError):
        encode({"x": "y" * LONGEST_RECORD})
    with pytest.raises(ValueError):
        encode({"x": float("nan")})


def test_what_a_writer_died_over_is_cleared_after_a_while(tmp_path, clock) -> None:
    (tmp_path / "00000000000000500-aa.new").touch()
    (tmp_path / "00000000000000500-aa.spool").touch()
    (tmp_path / "00000000000002000-bb.new").touch()
    clear_unfinished(tmp_path, 1_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "00000000000000500-aa.spool",
        "00000000000002000-bb.new",
    ]


def group(folder, clock, **writer):
    patience = writer.pop("patience", 2.0)
    most = writer.pop("most_bytes", 1_000_000)
    return GroupCommit(SpoolWriter(folder, clock, **writer), patience=patience, most_bytes=most)


def test_many_at_once_share_few_syncs(tmp_path, clock) -> None:
    syncs = []

    def sync(file: int) -> None:
        os.fdatasync(file)
        syncs.append(file)

    async def all_at_once() -> list[bool]:
        spool = group(tmp_path, clock, sync=sync)
        answers = await asyncio.gather(*[spool.keep([encode({"n": n})]) for n in range(500)])
        await spool.close()
        return answers

    assert all(asyncio.run(all_at_once()))
    assert 1 <= len(syncs) <= 20
    assert sum(len(all_records(path)[0]) for path in waiting_files(tmp_path)) == 500


def test_nobody_is_answered_before_the_sync(tmp_path, clock) -> None:
    order = []
    gate = threading.Event()

    def sync(file: int) -> None:
        gate.wait(10)
        order.append("synced")

    async def one() -> None:
        spool = group(tmp_path, clock, sync=sync)
        waiting = asyncio.ensure_future(spool.keep([encode({"n": 1})]))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        gate.set()
        assert await waiting
        order.append("answered")
        await spool.close()

    asyncio.run(one())
    assert order == ["synced", "answered"]


def test_a_hit_does_not_wait_for_a_hanging_disk_and_a_wish_does(tmp_path, clock) -> None:
    gate = threading.Event()

    async def both() -> None:
        spool = group(tmp_path, clock, sync=lambda _: gate.wait(20), patience=0.05)
        wish = asyncio.ensure_future(spool.keep([encode({"n": 1})]))
        hits = [asyncio.ensure_future(spool.note(encode({"n": n}))) for n in range(5)]
        assert await asyncio.wait_for(asyncio.gather(*hits), 5) == [False] * 5
        assert await asyncio.wait_for(spool.note(encode({"n": 9})), 5) is False
        assert not wish.done()
        gate.set()
        assert await asyncio.wait_for(wish, 5)
        assert await spool.note(encode({"n": 10}))
        await spool.close()

    asyncio.run(both())
    # They were answered early, not thrown away.
    kept = [record["n"] for path in waiting_files(tmp_path) for record in all_records(path)[0]]
    assert sorted(kept) == [0, 1, 1, 2, 3, 4, 9, 10]


def test_when_too_much_waits_nothing_more_is_promised(tmp_path, clock) -> None:
    gate = threading.Event()

    async def flood() -> None:
        spool = group(tmp_path, clock, sync=lambda _: gate.wait(20), most_bytes=1_000)
        first = asyncio.ensure_future(spool.keep([b"x" * 900]))
        await asyncio.sleep(0)
        assert await spool.keep([b"y" * 200]) is False
        assert await spool.note(b"z" * 200) is False
        assert spool.lost == 1
        gate.set()
        assert await first
        await spool.close()

    asyncio.run(flood())


def test_an_unforeseen_failure_answers_everybody_with_no(tmp_path, clock) -> None:
    def sync(file: int) -> None:
        raise RuntimeError("unforeseen")

    async def one() -> None:
        spool = group(tmp_path, clock, sync=sync)
        assert await asyncio.wait_for(spool.keep([encode({"n": 1})]), 5) is False
        assert spool.healthy is False
        assert spool.reason == "unforeseen"

    asyncio.run(one())
