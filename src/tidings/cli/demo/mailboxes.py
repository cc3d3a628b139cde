"""The demo's mailboxes as a process of their own: a small SMTP server whose owners open, click, scan and unsubscribe.

Started as `python -m tidings.cli.demo.mailboxes MAILDIR`; prints its port and takes mail. For each line that comes in it
finishes what its owners are still doing and prints what they did so far as JSON; at the end of its input it ends. Some
mailboxes do not exist: the server refuses those at once, or takes the mail and a report comes into MAILDIR. Every owner has an address of the loopback network of their own,
as people have, so that the tracker's rules about networks have something to look at.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from email import message_from_bytes
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tidings.cli.demo.people import Person, person
from tidings.cli.demo.reaching import reached
from tidings.cli.demo.reports import ReturnedMail

_HREF = re.compile(r'(?:href|src)="(https?://[^"]+)"')
_MESSAGE_ID = re.compile(rb"(?im)^Message-ID:\s*(<m(\d+)\.[^>]+>)")
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
_SCANNER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"
_CONNECTIONS = 24


class Mailboxes:
    """What arrived for whom and what their owners do about it."""

    def __init__(self, returned: ReturnedMail) -> None:
        self.did: Counter[str] = Counter()
        self.copies: Counter[bytes] = Counter()
        # Our number of each message that lies in a mailbox, and whom the server refused.
        self.kept: list[int] = []
        self.refused: set[str] = set()
        self._returned = returned
        self._todo: asyncio.Queue[tuple[Person, bytes]] = asyncio.Queue()

    def knows(self, recipient: str) -> bool:
        """Tell whether the server takes mail for an address."""
        found = re.fullmatch(r"c(\d{6})@customers\.example", recipient)
        if found is not None and reached(person(int(found[1]))).mailbox != "refused":
            return True
        self.refused.add(recipient)
        return False

    def receive(self, recipient: str, content: bytes) -> None:
        """Take a message, into a mailbox or to be returned."""
        self.did["received"] += 1
        found = _MESSAGE_ID.search(content)
        self.copies[found.group(1) if found else content] += 1
        one = person(int(recipient[1:7]))
        fate = reached(one).mailbox
        if fate not in ("gone", "full"):
            self.kept.append(int(found.group(2)) if found else 0)
        if fate != "fine" or one.opens or one.unsubscribes or one.scanned:
            self._todo.put_nowait((one, content))

    def so_far(self) -> dict[str, Any]:
        """Return what arrived and what was done."""
        twice = sum(1 for copies in self.copies.values() if copies > 1)
        return {
            **self.did,
            "e-mails": len(self.copies),
            "received twice": twice,
            "refused": len(self.refused),
            "kept": self.kept,
        }

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
        # Without the newer policy, which takes five times as long for each mail.
        message = message_from_bytes(content)
        fate = reached(one).mailbox
        if fate != "fine":
            self.did["complained" if fate == "complains" else "returned"] += 1
            self.did["full"] += fate == "full"
            self._returned.report(fate, str(message["To"]), str(message["Message-ID"]), str(message["From"]))
        if fate in ("gone", "full"):
            return
        html = next((part for part in message.walk() if part.get_content_type() == "text/html"), None)
        raw = html.get_payload(decode=True) if html is not None else b""
        text = raw.decode() if isinstance(raw, bytes) else ""
        urls = [unescape(url) for url in _HREF.findall(text)]
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
                self._recipient = ""
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
            recipient = found.group(1).decode("ascii", "replace") if found else ""
            self._recipient = recipient if self._mailboxes.knows(recipient) else ""
            self._transport.write(
                b"250 2.1.5 ok\r\n" if self._recipient else b"550 5.1.1 no such mailbox\r\n"
            )
        elif verb == b"DATA":
            self._in_data = bool(self._recipient)
            self._transport.write(b"354 go on\r\n" if self._in_data else b"554 5.5.1 no valid recipient\r\n")
        elif verb == b"QUIT":
            self._transport.write(b"221 2.0.0 bye\r\n")
            self._transport.close()
        else:
            self._transport.write(b"250 2.0.0 ok\r\n")


async def serve(maildir: Path) -> None:
    """Take mail until the input ends; for each line of it say what happened so far."""
    loop = asyncio.get_running_loop()
    mailboxes = Mailboxes(ReturnedMail(maildir))
    server = await loop.create_server(lambda: Session(mailboxes), "127.0.0.1", 0)
    owners = [asyncio.create_task(mailboxes.live()) for _ in range(_CONNECTIONS)]
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    # When the demo dies its input ends, and its mailboxes do not stay behind.
    while await loop.run_in_executor(None, sys.stdin.readline):
        await mailboxes.settled()
        print(json.dumps(mailboxes.so_far()), flush=True)
    for owner in owners:
        owner.cancel()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
