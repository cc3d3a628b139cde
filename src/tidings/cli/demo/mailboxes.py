"""The demo's customers as a process of their own: a small SMTP sink whose owners open, click, scan and unsubscribe.

Started as `python -m tidings.cli.demo.mailboxes`; prints its port, takes mail until a line comes in, then finishes what its
owners are still doing and prints what they did as JSON. Every owner has an address of the loopback network of their own,
as people have, so that the tracker's rules about networks have something to look at.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from email import message_from_bytes, policy
from html import unescape
from urllib.parse import urlsplit

from tidings.cli.demo.people import Person, person

_HREF = re.compile(r'(?:href|src)="(https?://[^"]+)"')
_MESSAGE_ID = re.compile(rb"(?im)^Message-ID:\s*(<[^>]+>)")
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
_SCANNER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"
_CONNECTIONS = 24


class Mailboxes:
    """What arrived for whom and what their owners do about it."""

    def __init__(self) -> None:
        self.did: Counter[str] = Counter()
        self.copies: Counter[bytes] = Counter()
        self._todo: asyncio.Queue[tuple[Person, bytes]] = asyncio.Queue()

    def receive(self, recipient: str, content: bytes) -> None:
        """Put a message into a mailbox."""
        self.did["received"] += 1
        found = _MESSAGE_ID.search(content)
        self.copies[found.group(1) if found else content] += 1
        one = person(int(recipient[1:7]))
        if one.opens or one.unsubscribes or one.scanned:
            self._todo.put_nowait((one, content))

    async def live(self) -> None:
        """Act on messages for ever; several of these run side by side."""
        while True:
            one, content = await self._todo.get()
            try:
                await self._act(one, content)
            except OSError as error:
                self.did[f"failed: {type(error).__name__}"] += 1
            finally:
                self._todo.task_done()

    async def settled(self) -> None:
        """Wait until nobody has anything left to do."""
        await self._todo.join()

    async def _act(self, one: Person, content: bytes) -> None:
        message = message_from_bytes(content, policy=policy.default)
        html = message.get_body(("html",))
        urls = [unescape(url) for url in _HREF.findall(html.get_content() if html else "")]
        pixel = [url for url in urls if "/o/" in url]
        links = [url for url in urls if "/c/" in url]
        header = re.search(r"<(https?://[^>]+)>", str(message["List-Unsubscribe"] or ""))
        if one.scanned:
            # A gateway fetches everything before the owner sees it, the unsubscribe page included.
            for url in [*links, *([header.group(1)] if header else [])]:
                await self._fetch(one, "GET", url, _SCANNER, origin=f"127.251.{one.number % 3}.9")
                self.did["scanner requests"] += 1
        if one.opens and pixel:
            await self._fetch(one, "GET", pixel[0], _BROWSER)
            self.did["opened"] += 1
        if one.clicks and links:
            await self._fetch(one, "GET", links[one.number % len(links)], _BROWSER)
            self.did["clicked"] += 1
        if one.unsubscribes and header:
            await self._fetch(one, "POST", header.group(1), _BROWSER, body=b"List-Unsubscribe=One-Click")
            self.did["unsubscribed"] += 1

    async def _fetch(
        self, one: Person, method: str, url: str, agent: str, *, body: bytes = b"", origin: str = ""
    ) -> None:
        parts = urlsplit(url)
        home = (origin or f"127.{1 + one.number // 250 % 250}.{1 + one.number % 250}.1", 0)
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, local_addr=home)
        except OSError:
            # Not every system lets a program choose its loopback address.
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = f"{method} {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: {agent}\r\nConnection: close\r\n"
        if body:
            head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"\r\n" + body)
        status = await reader.readline()
        await reader.read()
        writer.close()
        if not status.startswith((b"HTTP/1.1 2", b"HTTP/1.1 302")):
            self.did[f"answered {status[9:12].decode(errors='replace')}"] += 1


class Session(asyncio.Protocol):
    """One SMTP session: just enough of RFC 5321 to take a message."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self._buffer = bytearray()
        self._recipient = ""
        self._in_data = False
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(b"220 mailboxes.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Take commands and message bodies as they come."""
        self._buffer += data
        while True:
            if self._in_data:
                end = self._buffer.find(b"\r\n.\r\n")
                if end < 0:
                    return
                content = bytes(self._buffer[:end]).replace(b"\r\n..", b"\r\n.")
                del self._buffer[: end + 5]
                self._in_data = False
                self._mailboxes.receive(self._recipient, content)
                self._transport.write(b"250 2.0.0 kept\r\n")
                continue
            end = self._buffer.find(b"\r\n")
            if end < 0:
                return
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            self._answer(line)

    def _answer(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"EHLO":
            self._transport.write(b"250-mailboxes.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
        elif verb == b"RCPT":
            found = re.search(rb"<([^>]+)>", line)
            self._recipient = found.group(1).decode("ascii", "replace") if found else ""
            known = re.fullmatch(r"c\d{6}@customers\.example", self._recipient)
            self._transport.write(b"250 2.1.5 ok\r\n" if known else b"550 5.1.1 no such mailbox\r\n")
        elif verb == b"DATA":
            self._in_data = True
            self._transport.write(b"354 go on\r\n")
        elif verb == b"QUIT":
            self._transport.write(b"221 2.0.0 bye\r\n")
            self._transport.close()
        else:
            self._transport.write(b"250 2.0.0 ok\r\n")


async def serve() -> None:
    """Take mail until a line comes in on standard input, then say what happened."""
    loop = asyncio.get_running_loop()
    mailboxes = Mailboxes()
    server = await loop.create_server(lambda: Session(mailboxes), "127.0.0.1", 0)
    owners = [asyncio.create_task(mailboxes.live()) for _ in range(_CONNECTIONS)]
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    # The end of the input counts as the line: when the demo dies, its mailboxes do not stay behind.
    await loop.run_in_executor(None, sys.stdin.readline)
    await mailboxes.settled()
    for owner in owners:
        owner.cancel()
    server.close()
    twice = sum(1 for copies in mailboxes.copies.values() if copies > 1)
    print(
        json.dumps({**mailboxes.did, "e-mails": len(mailboxes.copies), "received twice": twice}), flush=True
    )


if __name__ == "__main__":
    asyncio.run(serve())
