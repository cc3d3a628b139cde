"""Group commit: requests that wait at the same time share one fdatasync.

While one group is being made durable in a thread, the next gathers; so a lone request waits for one sync and a
thousand at once wait for two. Whoever must not lose its record is answered only after the sync.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tidings.responses.spool import SpoolWriter

_MOST_WAITING_BYTES = 64 * 1024 * 1024
_PATIENCE = 2.0

_Waiting = tuple[bytes, "asyncio.Future[bool]"]


class GroupCommit:
    """Takes lines from many requests of one event loop and has them written in groups.

    `lost` counts hits that could not be kept, `healthy` tells whether the last group was made durable.
    """

    def __init__(
        self, writer: SpoolWriter, *, patience: float = _PATIENCE, most_bytes: int = _MOST_WAITING_BYTES
    ) -> None:
        self._writer = writer
        self._patience = patience
        self._most_bytes = most_bytes
        self._executor = ThreadPoolExecutor(1, "spool")
        self._must: list[_Waiting] = []
        self._hits: list[_Waiting] = []
        self._in_flight: list[_Waiting] = []
        self._bytes = 0
        self._running: asyncio.Task[None] | None = None
        self._stalled = False
        self.lost = 0
        self.healthy = True
        self.reason = ""

    def free_bytes(self) -> int:
        """Return how many bytes the disk still takes; raises OSError when the spool is not writable."""
        return self._writer.free_bytes()

    async def keep(self, lines: Sequence[bytes]) -> bool:
        """Return True once the disk has the lines, False when it cannot take them; never True too early."""
        return await self._join(self._must, b"".join(lines))

    async def note(self, line: bytes) -> bool:
        """Keep a hit likewise, but wait no longer than the patience (2 s): the reader's way must not hang on a disk.

        False means that the hit is not known to be kept.
        """
        if self._stalled and self._bytes > self._most_bytes // 4:
            self.lost += 1
            return False
        return await self._join(self._hits, line)

    async def close(self) -> None:
        """Write what still waits and give the file up."""
        if self._running is not None:
            await self._running
        await asyncio.get_running_loop().run_in_executor(self._executor, self._writer.close)
        self._executor.shutdown()

    async def _join(self, queue: list[_Waiting], data: bytes) -> bool:
        if self._bytes + len(data) > self._most_bytes:
            self.lost += queue is self._hits
            return False
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()
        queue.append((data, answer))
        self._bytes += len(data)
        if self._running is None:
            self._running = loop.create_task(self._write_groups())
        if queue is self._hits and self._stalled:
            return False
        return await answer

    async def _write_groups(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._must or self._hits:
                group = self._must + self._hits
                hits, self._must, self._hits = len(self._hits), [], []
                self._in_flight = group[len(group) - hits :]
                impatient = loop.call_later(self._patience, self._let_hits_go)
                try:
                    await loop.run_in_executor(
                        self._executor, self._writer.append, [data for data, _ in group]
                    )
                    self.healthy, self.reason = True, ""
                except Exception as error:
                    # Whatever it is, nobody may wait for ever or be told that the record is kept.
                    self.healthy, self.reason = False, str(error) or type(error).__name__
                    self.lost += hits
                finally:
                    impatient.cancel()
                    self._stalled = False
                    self._bytes -= sum(len(data) for data, _ in group)
                for _, answer in group:
                    if not answer.done():
                        answer.set_result(self.healthy)
        finally:
            self._running = None

    def _let_hits_go(self) -> None:
        """Answer every reader who waits for a slow disk; their hits are still written when it comes back."""
        self._stalled = True
        for _, answer in (*self._in_flight, *self._hits):
            if not answer.done():
                answer.set_result(False)
