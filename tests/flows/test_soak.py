"""`tidings serve` at work for long, under orders, letters, clicks and unsubscribes: nothing grows, nothing is lost.

Ten minutes on each database in `make nightly`; TIDINGS_SOAK_MINUTES says another time.
"""

from __future__ import annotations

import email
import email.policy
import itertools
import os
import random
import re
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx
import pytest
import sqlalchemy as sa

from flows import test_clock_kills
from flows.test_clock_kills import count, fill
from support.serving import children_of, production_of, serving, until
from support.smtp_servers import Scripted, aiosmtpd_server
from support.soaking import grown, look, watched
from support.tracking import BROWSER, withdrawn
from tidings.clock import SystemClock
from tidings.config.settings import load_settings
from tidings.delivery.verify import verify
from tidings.flows.journeys.versions import start_flow
from tidings.responses.spool import spool_folder, waiting_files
from tidings.store.database import Store
from tidings.store.tables import answers, journeys, people, sending
from tidings.tokens.api_keys import new_api_key

MINUTES = float(os.environ.get("TIDINGS_SOAK_MINUTES", "10"))
ORDERS_A_SECOND = 20
# One letter in so many is clicked, one in so many unsubscribed from.
CLICKED, LEFT = 3, 25
# KiB that a process may grow by: allocators never give everything back. Pages of SQLite come on top, for each connection.
KIBIBYTE, ALLOWED, CONNECTIONS = 1024, 12 * 1024, 3
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
LETTER = (
    "Subject: Hello\n\nHello {{ first_name or 'there' }}\n\nhttps://shop.example/news\n\n"
    "{{ unsubscribe_url }}\n{{ postal_address }}\n"
)
workspace = test_clock_kills.workspace


class Shop:
    """A shop that sends its orders, and readers who click and unsubscribe in what reached them; what was answered is kept."""

    def __init__(self, address: str, key: str, mail: Scripted, people_there: int) -> None:
        self.address, self.mail = address, mail
        self.headers = {"authorization": f"Bearer {key}"}
        self.buyers = iter(range(1, people_there + 1))
        self.ordered: set[str] = set()
        self.clicks = 0
        self.left: set[str] = set()
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(one,)) for one in (self._sell, self._read)
        ]

    def __enter__(self) -> Self:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for one in self._threads:
            one.join()

    def _guarded(self, work) -> None:
        try:
            with httpx.Client(base_url=self.address, timeout=60) as web:
                work(web)
        except BaseException as error:
            self.failed.append(repr(error))
            raise

    def _sell(self, web: httpx.Client) -> None:
        dice = random.Random(1)
        begun = time.monotonic()
        for number, customer in enumerate(self.buyers):
            if self._stop.wait(max(0.0, begun + number / ORDERS_A_SECOND - time.monotonic())):
                return
            body = {"event": "order_placed", "customer": f"c{customer}", "id": f"o{customer}", "amount": 10}
            # An impatient shop sends some of them again.
            for _ in range(2 if dice.random() < 0.1 else 1):
                assert web.post("/v1/events", json=body, headers=self.headers).status_code == 202
            self.ordered.add(f"c{customer}")

    def _read(self, web: httpx.Client) -> None:
        for number in itertools.count():
            while number >= len(self.mail.envelopes):
                if self._stop.wait(0.05):
                    return
            _, (to,), content = self.mail.envelopes[number]
            letter = email.message_from_bytes(content, policy=email.policy.default)
            body = letter.get_body(("plain",)).get_content()
            links = {one[1]: one[0] for one in re.findall(r"(https?://\S+/([cu])/\S+)", body)}
            if number % CLICKED == 0:
                assert web.get(_path(links["c"]), headers=BROWSER).status_code in (302, 303, 307)
                self.clicks += 1
            if number % LEFT == 0:
                assert web.post(_path(links["u"]), data=ONE_CLICK).status_code == 200
                self.left.add(to)


def _path(url: str) -> str:
    return urlsplit(url).path


@pytest.fixture
def mail():
    return Scripted()


@pytest.fixture
def shop(workspace: Path, mail: Scripted):
    (workspace / "templates" / "hello" / "email.en.txt").write_text(LETTER)
    with aiosmtpd_server(mail) as port:
        (workspace / "channels" / "email.yaml").write_text(
            "channel: E-mail\nadapter: smtp\nkind: email\nsender: Nordic Garden <hello@nordicgarden.example>\n"
            f"options: {{host: 127.0.0.1, port: {port}, tls: none}}\n"
        )
        path = workspace / "config" / "workspace.yaml"
        path.write_text(path.read_text().replace("    outbox: true\n", ""))
        yield workspace


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_a_long_day_of_work_uses_no_more_at_its_end_and_loses_nothing(shop, mail, stores, dialect) -> None:
    seconds = MINUTES * 60
    buyers = int(seconds * ORDERS_A_SECOND) + 1
    with production_of(shop, stores(dialect), dialect) as (variables, store):
        fill(store, buyers)
        settings = load_settings(shop, variables=variables)
        start_flow(store, settings.definitions, "hello", approved_by="test", now=SystemClock().now())
        key, entry = new_api_key("shop")
        with serving(shop, **variables, TIDINGS_API_KEYS=entry) as (process, address, lines):
            at_work = until(lambda: len(children_of(process.pid)) == 2 and set(children_of(process.pid)))
            with watched(process.pid) as looks, Shop(address, key, mail, buyers) as buying:
                ends, sizes = time.monotonic() + seconds, []
                while time.monotonic() < ends and not buying.failed:
                    sizes.append(file_of(store).stat().st_size / KIBIBYTE if dialect == "sqlite" else 0)
                    time.sleep(1)
            assert buying.failed == []
            assert len(buying.ordered) > 0.5 * buyers, "the machine was too slow to say anything"
            until(lambda: count(store, journeys.journeys) == len(buying.ordered), 120)
            until(lambda: count(store, journeys.journeys, journeys.journeys.c.state == "walking") == 0, 600)
            until(
                lambda: (
                    count(store, sending.messages, sending.messages.c.state != "accepted")
                    == count(store, sending.messages, sending.messages.c.state == "refused")
                ),
                120,
            )
            until(lambda: spool_empty(settings), 60)
            # The same processes as at the start: nobody died and was started again.
            assert at_work <= set(children_of(process.pid))
            told = {one: grown(looks[one], memory=pages(sizes) + ALLOWED) for one in (process.pid, *at_work)}
            print(
                f"\n{dialect}, {MINUTES:g} minutes, {len(buying.ordered):,} orders, {len(mail.envelopes):,} letters; own memory in MB:"
            )
            for one in (process.pid, *sorted(at_work)):
                print(f"  {_course(looks[one])}")
            assert not any(told.values()), told
            assert all(look(one) for one in at_work)
        assert "Traceback" not in "".join(lines)
        orders = people.events.c.source == "api:shop"
        assert count(store, people.events, orders) == len(buying.ordered)
        letters = Counter(to[0].split("@")[0] for _, to, _ in mail.envelopes)
        left = {one.split("@")[0] for one in buying.left}
        # Two for everybody who stayed, for those who left the first or both, and nobody else was written to.
        assert set(letters) == buying.ordered
        assert {one: n for one, n in letters.items() if n != 2 and one not in left} == {}
        assert set(letters.values()) <= {1, 2}
        assert count(store, answers.hits, answers.hits.c.kind == "click") == buying.clicks
        assert len(withdrawn(store)) == len(left)
        assert verify(store).broken == ()


def file_of(store: Store) -> Path:
    """Return the file of a store on SQLite."""
    return Path(sa.make_url(store.url).database or "")


def pages(sizes: list[float]) -> int:
    """Return how much a process may keep of what the file grew by in the second half: each connection keeps its own pages."""
    return int(CONNECTIONS * (sizes[-1] - sizes[len(sizes) // 4]))


def spool_empty(settings) -> bool:
    """Tell whether all that the tracker wrote down is in the store: only the file that it writes now is there, read."""
    return len(waiting_files(spool_folder(settings.data_dir, settings.environment.name))) <= 1


def _course(looks) -> str:
    """Return the own memory at sixteen moments, from the start to the end."""
    return " ".join(
        f"{looks[place].memory / KIBIBYTE:.0f}" for place in range(0, len(looks), max(1, len(looks) // 16))
    )
