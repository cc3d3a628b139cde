"""The tracker over real HTTP: what it answers, what it records, and what it never does."""

from __future__ import annotations

import errno
import os
import random
import re

import httpx
import pytest

from support.tracking import BROWSER, KEY, RING, records, tracker, url
from tidings.clock import to_micros
from tidings.responses import pages
from tidings.responses.request import printable
from tidings.tokens.keyring import KeyRing
from tidings.tokens.links import Minter, mint

MINTER = Minter(RING)
CLICK = MINTER.mint("click", 7, url(1))
OPEN = MINTER.mint("open", 7)
UNSUBSCRIBE = MINTER.mint("unsubscribe", 7)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def test_the_pixel_is_a_gif_that_nobody_stores(web, folder, clock) -> None:
    answer = web.get(f"/o/{OPEN}.gif")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/gif"
    assert answer.content[:6] == b"GIF89a"
    assert len(answer.content) == 43
    assert "no-store" in answer.headers["cache-control"]
    (hit,) = records(folder)
    assert hit == {
        "k": "open",
        "at": to_micros(clock.now()),
        "m": 7,
        "method": "GET",
        "ip": "127.0.0.0/24",
        "ua": BROWSER["user-agent"],
    }


def test_a_click_goes_where_its_token_says(web, folder) -> None:
    answer = web.get(f"/c/{CLICK}?url=https://evil.example&u=https://evil.example")
    assert answer.status_code == 302
    assert answer.headers["location"] == url(1)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "no-store" in answer.headers["cache-control"]
    assert "set-cookie" not in answer.headers
    (hit,) = records(folder)
    assert (hit["k"], hit["m"], hit["url"]) == ("click", 7, url(1))


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (
            "https://пример.рф/сад?q=園#é",
            "https://xn--e1afmkfd.xn--p1ai/%D1%81%D0%B0%D0%B4?q=%E5%9C%92#%C3%A9",
        ),
        ("https://x.example/%E2%9C%93?a=b&c=d%20e", "https://x.example/%E2%9C%93?a=b&c=d%20e"),
    ],
)
def test_targets_in_any_script_fit_into_a_header(web, target, location) -> None:
    assert web.get(f"/c/{mint(RING, 'click', 1, target)}").headers["location"] == location


def test_head_gets_the_same_headers_and_is_recorded_as_head(web, folder) -> None:
    for path in (f"/o/{OPEN}.gif", f"/c/{CLICK}", f"/u/{UNSUBSCRIBE}", "/livez", "/readyz"):
        head, get = web.head(path), web.get(path)
        assert head.status_code == get.status_code
        assert head.content == b""
        assert {k: v for k, v in head.headers.items() if k != "date"} == {
            k: v for k, v in get.headers.items() if k != "date"
        }
    assert [record["method"] for record in records(folder)] == ["HEAD", "GET", "HEAD", "GET"]


def test_a_changed_token_is_never_redirected(web, folder) -> None:
    chance = random.Random(4)
    foreign = mint(KeyRing.from_text("k1:" + "00" * 32), "click", 7, "https://evil.example/")
    wrong = [
        OPEN,
        UNSUBSCRIBE,
        foreign,
        "",
        "x",
        "%00",
        CLICK + "=",
        CLICK + "%0d%0aSet-Cookie:a=b",
        CLICK * 200,
    ]
    for _ in range(300):
        signs = list(CLICK)
        place = chance.randrange(len(signs))
        signs[place] = chance.choice([sign for sign in "ABCDEFabcdef0123-_" if sign != signs[place]])
        wrong.append("".join(signs))
    for token in wrong:
        answer = web.get(f"/c/{token}")
        assert answer.status_code == 404
        assert "location" not in answer.headers
        assert "evil" not in answer.text
    assert records(folder) == []


def test_a_token_of_another_purpose_is_no_token(web, folder) -> None:
    tokens = {"c": CLICK, "o": OPEN, "u": UNSUBSCRIBE}
    for place in tokens:
        for made, token in tokens.items():
            path = f"/{place}/{token}" + (".gif" if place == "o" else "")
            assert (web.get(path).status_code == 404) == (place != made)
            if place == "u" and made != "u":
                assert web.post(path, data=ONE_CLICK).status_code == 404
    assert not [record for record in records(folder) if record["k"] == "unsubscribe"]


def test_one_click_unsubscribes_without_page_cookie_or_redirect(web, folder) -> None:
    answer = web.post(f"/u/{UNSUBSCRIBE}", data=ONE_CLICK)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    (record,) = records(folder)
    assert (record["k"], record["m"], record["by"], record["method"]) == (
        "unsubscribe",
        7,
        "one-click",
        "POST",
    )


def test_one_click_may_come_as_multipart(web, folder) -> None:
    answer = web.post(f"/u/{UNSUBSCRIBE}", files={"List-Unsubscribe": (None, "One-Click")})
    assert answer.status_code == 200
    assert [record["by"] for record in records(folder)] == ["one-click"]


def test_any_other_body_unsubscribes_nobody(web, folder) -> None:
    for body in (b"", b"x=y", b"confirm=no", b"One-Click", b"{}"):
        assert web.post(f"/u/{UNSUBSCRIBE}", content=body).status_code == 400
    assert web.post(f"/u/{UNSUBSCRIBE}", content=b"confirm=yes" * 2_000).status_code == 413
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert web.request(method, f"/u/{UNSUBSCRIBE}", data=ONE_CLICK).status_code == 405
    assert records(folder) == []


def test_looking_at_every_address_changes_nothing_that_a_customer_wants(web, folder) -> None:
    for _ in range(3):
        for path in (
            f"/u/{UNSUBSCRIBE}",
            f"/u/{UNSUBSCRIBE}?confirm=yes&List-Unsubscribe=One-Click",
            f"/c/{CLICK}",
        ):
            web.get(path, headers={"sec-purpose": "prefetch"})
            web.head(path)
            web.request("GET", path, content=b"List-Unsubscribe=One-Click")
    assert {record["k"] for record in records(folder)} == {"click"}


@pytest.mark.parametrize(
    ("wanted", "language", "word"),
    [
        ("", "en", "Unsubscribe"),
        ("fr-FR,de;q=0.9", "en", "Unsubscribe"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-TW", "取消訂閱"),
        ("zh-Hant-HK", "zh-TW", "取消訂閱"),
        ("zh-CN", "zh-CN", "退订"),
        ("zh", "zh-CN", "退订"),
        ("en;q=0.3, ru-RU;q=0.8", "ru", "Отписаться"),
        ("en;q=0,ru;q=x,zh-CN;q=0.1", "zh-CN", "退订"),
        ("*;;;,=\xff", "en", "Unsubscribe"),
    ],
)
def test_the_page_speaks_the_language_of_the_reader(refusing, wanted, language, word) -> None:
    web, _ = refusing
    headers = {"accept-language": wanted.encode("latin-1")}
    for answer in (
        web.get(f"/u/{UNSUBSCRIBE}", headers=headers),
        web.post(f"/u/{mint(RING, 'unsubscribe', 0)}", data={"confirm": "yes"}, headers=headers),
        web.get("/nothing", headers=headers),
    ):
        assert f'<html lang="{language}">' in answer.text
    assert f'<button type="submit">{word}</button>' in web.get(f"/u/{UNSUBSCRIBE}", headers=headers).text


def test_the_page_asks_with_a_button_and_runs_no_foreign_code(web) -> None:
    answer = web.get(f"/u/{UNSUBSCRIBE}")
    assert '<form method="post">' in answer.text
    assert "<script" not in answer.text
    assert "Nordic &lt;Garden&gt;" in answer.text
    assert answer.headers["content-security-policy"] == pages.POLICY
    assert "'unsafe" not in pages.POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "set-cookie" not in answer.headers
    assert "server" not in answer.headers or "uvicorn" in answer.headers["server"]


def test_pages_have_all_texts_in_all_languages() -> None:
    made = {
        (page.__name__, language): page("Shop", language)
        for page in (pages.ask_page, pages.done_page, pages.later_page, pages.wrong_page)
        for language in pages.LANGUAGES
    }
    assert len(set(made.values())) == 16


@pytest.mark.parametrize("wish", [{"dnt": "1"}, {"sec-gpc": "1"}])
def test_who_does_not_want_to_be_followed_is_counted_without_a_name(web, folder, wish) -> None:
    web.get(f"/o/{OPEN}.gif", headers=wish)
    target = "https://shop.example/a?customer=K7#K7"
    assert web.get(f"/c/{mint(RING, 'click', 7, target)}", headers=wish).headers["location"] == target
    for hit in records(folder):
        assert hit["m"] is None
        assert set(hit) <= {"k", "at", "m", "method", "url"}
        assert hit.get("url", "https://shop.example/a") == "https://shop.example/a"
    # A wish to get no more mail is not following anybody: it needs its message.
    web.post(f"/u/{UNSUBSCRIBE}", data=ONE_CLICK, headers=wish)
    assert records(folder)[-1]["m"] == 7


def test_prefetching_is_marked(web, folder) -> None:
    for headers in ({"sec-purpose": "prefetch;prerender"}, {"purpose": "prefetch"}, {"x-moz": "prefetch"}):
        web.get(f"/c/{CLICK}", headers=headers)
    assert [record.get("prefetch") for record in records(folder)] == [True] * 3


def test_a_preview_counts_nothing(web, folder) -> None:
    assert web.get(f"/o/{mint(RING, 'open', 0)}.gif").status_code == 200
    assert web.get(f"/c/{mint(RING, 'click', 0, url(1))}").status_code == 302
    assert web.post(f"/u/{mint(RING, 'unsubscribe', 0)}", data=ONE_CLICK).status_code == 200
    assert records(folder) == []


def test_on_a_full_disk_links_work_and_nothing_is_promised(folder, clock) -> None:
    full = [True]

    def write(file: int, data: bytes) -> int:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(file, data)

    with (
        tracker(folder, clock, write=write) as address,
        httpx.Client(base_url=address, headers=BROWSER) as web,
    ):
        assert web.get(f"/c/{CLICK}").status_code == 302
        assert web.get(f"/o/{OPEN}.gif").status_code == 200
        refused = web.post(f"/u/{UNSUBSCRIBE}", data=ONE_CLICK)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "60"
        page = web.post(f"/u/{UNSUBSCRIBE}", data={"confirm": "yes"}, headers={"accept-language": "ru"})
        assert page.status_code == 503
        assert "Пока не получилось" in page.text
        assert (
            web.post("/v1/events", headers=KEY, json={"event": "page_viewed", "customer": "a"}).status_code
            == 503
        )
        ready = web.get("/readyz")
        assert ready.status_code == 503
        assert ready.json() == {
            "ready": False,
            "hits_lost": 2,
            "reason": "the spool cannot be written: [Errno 28] No space left on device",
        }
        assert web.get("/livez").status_code == 200
        full.clear()
        assert web.get("/readyz").json() == {"ready": True, "hits_lost": 2}
        assert web.post(f"/u/{UNSUBSCRIBE}", data=ONE_CLICK).status_code == 200
    assert [record["k"] for record in records(folder)] == ["unsubscribe"]


def test_a_hanging_disk_holds_nobody_up_who_follows_a_link(folder, clock) -> None:
    import threading

    gate = threading.Event()
    with tracker(folder, clock, sync=lambda _: gate.wait(30), patience=0.1) as address:
        with httpx.Client(base_url=address, timeout=5) as web:
            assert web.get(f"/c/{CLICK}").status_code == 302
            with pytest.raises(httpx.ReadTimeout):
                web.post(f"/u/{UNSUBSCRIBE}", data=ONE_CLICK, timeout=0.5)
        gate.set()


def test_ready_says_when_the_folder_is_gone(web, folder) -> None:
    assert web.get("/readyz").json() == {"ready": True, "hits_lost": 0}
    folder.rename(folder.with_name("elsewhere"))
    assert web.get("/readyz").status_code == 503


def test_methods_and_addresses_outside_the_list_are_refused(web) -> None:
    for path in (f"/o/{OPEN}.gif", f"/c/{CLICK}"):
        refused = web.post(path)
        assert refused.status_code == 405
        assert refused.headers["allow"] == "GET, HEAD"
    assert web.get("/v1/events").status_code == 405
    for path in ("/", "/o/", f"/o/{OPEN}", f"/o/{OPEN}.png", "/admin", "/u", "/v1/events/", f"//c/{CLICK}"):
        assert web.get(path).status_code == 404


def test_the_network_is_kept_and_not_the_address() -> None:
    from tidings.responses.request import network

    assert network("203.0.113.77") == "203.0.113.0/24"
    assert network("2001:db8:1:2:3::4") == "2001:db8:1::/48"
    assert network("::ffff:203.0.113.77") == "203.0.113.0/24"
    assert network("fe80::1%eth0") == "fe80::/48"
    assert network("unix:") is None


def test_a_strange_user_agent_is_kept_harmless(web, folder) -> None:
    # A server may refuse control signs itself; one that lets them through leaves them to us.
    web.get(f"/o/{OPEN}.gif", headers={"user-agent": b"\xff<b>\t" + b"x" * 2_000})
    (hit,) = records(folder)
    for kept in (hit["ua"], printable(b"\x01\x7f\xff<b>\r\n\t" + b"x" * 2_000)):
        assert 0 < len(kept) <= 300
        assert not re.search(r"[\x00-\x1f\x7f]", kept)
