"""Pages that tell of people: a token goes with the link that wants one, and who acts on the page was a person."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from support.judged import AMAZON, HOME, MINUTE, SECOND, arrive, by_earlier_rules, judged
from support.spooled import click
from support.tracking import BROWSER, KEY, RING, records, rows_of, sent_run, url
from tidings.clock import to_micros
from tidings.responses.landing import with_token
from tidings.responses.reclassifying import reclassify
from tidings.store.tables import answers, sending
from tidings.tokens.links import Minter, verify

MINTER = Minter(RING)
PAGE = "https://shop.example/spring?tidings=&from=mail#top"
VISIT = MINTER.mint("visit", 7)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "spool"
    path.mkdir()
    return path


def visit(message, at, ua=BROWSER["user-agent"], **more):
    return {"k": "visit", "at": at, "m": message, "method": "POST", "ip": HOME, "ua": ua, **more}


@pytest.mark.parametrize(
    ("target", "filled"),
    [
        ("https://x/?tidings=", "https://x/?tidings=T"),
        ("https://x/?a=1&tidings=&b=2#c", "https://x/?a=1&tidings=T&b=2#c"),
        ("https://x/?tidings=#c", "https://x/?tidings=T#c"),
        ("https://x/?tidings=mine", "https://x/?tidings=mine"),
        ("https://x/?nottidings=", "https://x/?nottidings="),
        ("https://x/", "https://x/"),
    ],
)
def test_only_a_link_that_wants_a_token_gets_one(target, filled) -> None:
    assert with_token(target, lambda: "T") == filled


def test_the_page_gets_a_token_of_the_message_and_gives_it_back(web, folder, clock) -> None:
    answer = web.get(f"/c/{MINTER.mint('click', 7, PAGE)}")
    start, _, rest = answer.headers["location"].partition("tidings=")
    token, _, end = rest.partition("&")
    assert (start, end) == ("https://shop.example/spring?", "from=mail#top")
    assert verify(RING, "visit", token).message_id == 7
    told = web.post(f"/v/{token}")
    assert (told.status_code, told.content) == (204, b"")
    hit, page = records(folder)
    # What is kept of the click is the link as it stands in the message.
    assert hit["url"] == PAGE
    assert page == {
        "k": "visit", "at": to_micros(clock.now()), "m": 7, "method": "POST", "ip": "127.0.0.0/24", "ua": BROWSER["user-agent"],
    }  # fmt: skip


def test_a_server_tells_with_its_key(web, folder) -> None:
    web.post(f"/v/{VISIT}", headers=KEY)
    web.post(f"/v/{VISIT}", headers={"authorization": "Bearer tk_wrong"})
    by_server, by_page = records(folder)
    assert by_server["by"] == "server"
    assert "ua" not in by_server
    assert "by" not in by_page


def test_who_hides_and_who_previews_get_no_token_and_are_not_followed(web, folder) -> None:
    hidden = web.get(f"/c/{MINTER.mint('click', 7, PAGE)}", headers={"dnt": "1"})
    preview = web.get(f"/c/{MINTER.mint('click', 0, PAGE)}")
    assert hidden.headers["location"] == preview.headers["location"] == PAGE
    assert web.post(f"/v/{VISIT}", headers={"sec-gpc": "1"}).status_code == 204
    assert [one["k"] for one in records(folder)] == ["click"]


def test_no_other_token_and_no_other_method_tells_of_a_visit(web, folder) -> None:
    for token in (MINTER.mint("open", 7), MINTER.mint("click", 7, PAGE), VISIT[:-1], ""):
        assert web.post(f"/v/{token}").status_code == 404
    assert web.get(f"/v/{VISIT}").status_code == 405
    assert web.get(f"/c/{VISIT}").status_code == 404
    assert records(folder) == []


def test_a_visit_shows_that_the_last_click_of_the_same_program_was_a_persons(store, folder, clock) -> None:
    first, other = sent_run(store, 2, links=3, accepted_at=1)
    now = to_micros(clock.now())
    arrive(
        store,
        folder,
        clock,
        [
            click(first, now, ip=AMAZON),
            click(first, now + MINUTE, ip=AMAZON, to=1),
            click(first, now + 2 * MINUTE, ip=AMAZON, ua="Mozilla/5.0 (X11) Chrome/99.0"),
            click(other, now, ip=AMAZON),
        ],
    )
    assert {one[1] for one in judged(store)} == {"machine"}
    arrive(store, folder, clock, [visit(first, now + 3 * MINUTE), visit(other, now + 31 * MINUTE)])
    told = judged(store)
    assert [one[1] for one in told] == ["machine", "human", "machine", "machine"]
    assert told[1][2:5] == ("human", "visited", "datacentre visited")
    by_earlier_rules(store)
    reclassify(store)
    assert judged(store) == told
    # Kept as it came, and judged by nobody.
    assert [row.kind for row in rows_of(store, answers.hits)].count("visit") == 2
    assert len(rows_of(store, answers.responses)) == 4


def test_what_a_server_tells_is_of_the_last_click_whatever_its_program(store, folder, clock) -> None:
    (message,) = sent_run(store, 1, links=3, accepted_at=1)
    now = to_micros(clock.now())
    arrive(store, folder, clock, [click(message, now, ip=AMAZON, ua="Mozilla/5.0 (X11) Chrome/99.0")])
    by_server = {"k": "visit", "at": now + MINUTE, "m": message, "method": "POST", "by": "server"}
    arrive(store, folder, clock, [by_server])
    assert judged(store)[0][3] == "visited"


def test_a_page_that_tells_of_a_sweep_makes_it_no_persons(store, folder, clock) -> None:
    now = to_micros(clock.now())
    (message,) = sent_run(store, 1, links=5, accepted_at=now - 20 * SECOND)
    arrive(store, folder, clock, [click(message, now + n * SECOND // 2, to=n) for n in range(5)])
    arrive(store, folder, clock, [visit(message, now + 10 * SECOND)])
    told = judged(store)
    assert {(one[1], one[3]) for one in told} == {("machine", "swept_links")}
    assert told[-1][4].endswith("visited")


def test_a_visit_of_a_message_that_is_not_here_is_kept_alone(store, folder, clock) -> None:
    arrive(store, folder, clock, [visit(99, to_micros(clock.now()))])
    (hit,) = rows_of(store, answers.hits)
    assert (hit.kind, hit.message_id, hit.detail) == ("visit", None, {"message": 99})
    assert rows_of(store, sending.messages) == []
    with store.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(answers.responses)).scalar_one() == 0


def test_the_token_of_a_page_says_nothing_of_where_the_link_led() -> None:
    assert len(VISIT) < 48
    assert verify(RING, "visit", VISIT).target == ""
    assert url(1) not in VISIT
