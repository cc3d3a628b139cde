"""Short links over real HTTP: where they lead stands in the store, and the tracker is polite while it is away."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from support.tracking import BROWSER, RING, records, served, url
from tidings.responses import tracker as tracking
from tidings.responses.group import GroupCommit
from tidings.responses.spool import SpoolWriter
from tidings.responses.tracker import make_app
from tidings.tokens.keyring import KeyRing
from tidings.tokens.short import UNSUBSCRIBE, ShortMinter

MINTER = ShortMinter(RING)
TARGETS = {3: url(3), 4: "javascript:alert(1)", 5: "https://пример.рф/сад"}


@contextmanager
def shortening(folder, clock, target_of):
    folder.mkdir(parents=True, exist_ok=True)
    spool = GroupCommit(SpoolWriter(folder, clock))
    app = make_app(RING, spool, clock=clock, title="Nordic Garden", target_of=target_of)
    with served(app) as address, httpx.Client(base_url=address, headers=BROWSER) as client:
        yield client


@pytest.fixture
def web(folder, clock):
    with shortening(folder, clock, TARGETS.get) as client:
        yield client


def test_a_short_link_leads_where_the_store_says_and_counts_as_a_click(web, folder) -> None:
    answer = web.get(f"/s/{MINTER.mint(3, 7)}?utm=1")
    assert (answer.status_code, answer.headers["location"]) == (302, url(3))
    assert "no-store" in answer.headers["cache-control"]
    (hit,) = records(folder)
    assert (hit["k"], hit["m"], hit["url"], hit["ip"]) == ("click", 7, url(3), "127.0.0.0/24")
    assert web.get(f"/s/{MINTER.mint(5, 7)}").headers["location"].startswith("https://xn--e1afmkfd.xn--p1ai/")


def test_a_preview_leads_there_too_and_is_not_counted(web, folder) -> None:
    assert web.get(f"/s/{MINTER.mint(3, 0)}").status_code == 302
    assert web.head(f"/s/{MINTER.mint(3, 0)}").status_code == 302
    assert records(folder) == []


@pytest.mark.parametrize("language", ["en", "zh-TW", "zh-CN", "ru"])
def test_a_link_that_cannot_be_looked_up_now_gets_a_polite_page(web, folder, language) -> None:
    for link in (9, 4):
        answer = web.get(f"/s/{MINTER.mint(link, 7)}", headers={"accept-language": language})
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "60"
        assert f'lang="{language}"' in answer.text
        assert "javascript" not in answer.text
    assert records(folder) == []


def test_a_look_up_that_hangs_holds_up_nobody_else(folder, clock, monkeypatch) -> None:
    monkeypatch.setattr(tracking, "_LOOK_UP_SECONDS", 0.3)
    over = threading.Event()

    def hangs(link_id):
        over.wait(5)
        return url(1)

    with shortening(folder, clock, hangs) as client:
        began = time.monotonic()
        assert client.get(f"/s/{MINTER.mint(3, 7)}").status_code == 503
        assert client.get("/livez").status_code == 200
        assert time.monotonic() - began < 4
        over.set()


def test_only_our_own_tokens_work(web, folder) -> None:
    token = MINTER.mint(3, 7)
    other = ShortMinter(KeyRing.from_text("k1:" + "aa" * 32)).mint(3, 7)
    changed = "a" if token[-1] != "a" else "b"
    for name in ("", "x", token[:-1], token[:-1] + changed, token + "0", other, token + "/", "%00"):
        assert web.get(f"/s/{name}").status_code == 404
    assert records(folder) == []


def test_the_short_way_to_unsubscribe_asks_first_and_needs_a_post(web, folder) -> None:
    path = f"/s/{MINTER.mint(UNSUBSCRIBE, 7)}"
    page = web.get(path)
    assert page.status_code == 200
    assert "on this number" in page.text
    assert "email" not in page.text
    assert web.head(path).status_code == 200
    assert records(folder) == []
    done = web.post(path, data={"confirm": "yes"})
    assert done.status_code == 200
    assert "on this number" in done.text
    (record,) = records(folder)
    assert (record["k"], record["m"], record["by"]) == ("unsubscribe", 7, "page")
    assert web.post(f"/s/{MINTER.mint(3, 7)}").status_code == 405
