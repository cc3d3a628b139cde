"""Tills over HTTP: whether a code is good, redeeming it, taking that back, and who may ask how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import sqlalchemy as sa

from measurement.test_redemptions import KNOWN, POOL, sent
from support.tracking import API_ENTRY, KEY, RING, served
from tidings.campaigns.pools import import_codes
from tidings.clock import FixedClock
from tidings.errors import StoreError
from tidings.flows.code_desk import CodeDesk
from tidings.responses.callers import Allowance
from tidings.responses.group import GroupCommit
from tidings.responses.spool import SpoolWriter
from tidings.responses.tracker import make_app
from tidings.store.database import Store
from tidings.store.tables import money, people
from tidings.tokens.api_keys import ApiKeys

_T = TypeVar("_T")


class Open:
    """A store that is open already, or away."""

    def __init__(self, store: Store) -> None:
        self.store, self.away = store, False

    def use(self, work: Callable[[Store], _T]) -> _T:
        if self.away:
            raise StoreError("the store cannot be read now")
        return work(self.store)


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    """On one database: what is SQL is tested on both elsewhere."""
    return make_store("sqlite")


@pytest.fixture
def opened(store: Store) -> Open:
    return Open(store)


@pytest.fixture
def web(opened: Open, tmp_path: Path, clock: FixedClock) -> Iterator[httpx.Client]:
    """A tracker with a desk, and a client with a key."""
    (tmp_path / "spool").mkdir()
    app = make_app(
        RING,
        GroupCommit(SpoolWriter(tmp_path / "spool", clock)),
        clock=clock,
        title="Nordic Garden",
        api_keys=ApiKeys.from_text(API_ENTRY),
        desk=CodeDesk(opened, KNOWN, clock),  # type: ignore[arg-type]
    )
    with served(app) as address, httpx.Client(base_url=address, headers=KEY) as client:
        yield client


@pytest.fixture
def code(store: Store, clock: FixedClock) -> str:
    """A code that a message gave to customer 1."""
    import_codes(store, "spring25", ["SPRING-A", "SPRING/B", "SPRING-C"], actor="t", now=clock.now())
    sent(store, clock, POOL, "pool")
    with store.read() as connection:
        return connection.execute(
            sa.select(money.codes.c.code).where(money.codes.c.customer_id == 1)
        ).scalar_one()


def test_a_till_asks_redeems_and_takes_back(web: httpx.Client, store: Store, code: str) -> None:
    asked = web.get(f"/v1/codes/{code.lower()}")
    assert asked.status_code == 200
    assert asked.json() == {
        "code": code, "good": True, "answer": "good", "says": "The code is good.", "mistyped": False,
        "offer": "pool", "gives": None, "ends_at": "2027-03-04T23:00:00Z",
    }  # fmt: skip
    body = {"code": code, "id": "till-1", "discount": "2.50", "order": "77", "sales_channel": "shop"}
    done = web.post("/v1/redemptions", json=body)
    assert (done.status_code, done.json()["redeemed"], done.json()["already"]) == (201, True, False)
    again = web.post("/v1/redemptions", json=body)
    assert (again.status_code, again.json()["redeemed"], again.json()["already"]) == (200, True, True)
    other = web.post("/v1/redemptions", json=body | {"id": "till-2"})
    assert (other.status_code, other.json()["answer"], other.json()["redeemed"]) == (409, "again", False)
    assert web.get(f"/v1/codes/{code}").json()["answer"] == "again"
    with store.read() as connection:
        event = connection.execute(sa.select(people.events)).one()
    assert (event.source, event.currency) == ("api:shop", "EUR")
    assert event.properties == {"code": code, "discount": 250, "order": "77", "sales_channel": "shop"}
    gone = web.delete("/v1/redemptions/till-1")
    assert (gone.status_code, gone.json()["undone"]) == (200, True)
    assert web.post("/v1/redemptions", json=body | {"id": "till-3"}).status_code == 201


def test_no_answer_says_whose_a_code_is(web: httpx.Client, code: str) -> None:
    told = [web.get(f"/v1/codes/{code}"), web.post("/v1/redemptions", json={"code": code, "id": "1"})]
    for answer in told:
        assert "customer" not in answer.text and "key" not in answer.json()


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        ({"code": "NOBODY", "id": "1"}, 404, "unknown"),
        ({"code": "CODE", "id": "1", "customer": "somebody"}, 409, "other_customer"),
        ({"code": "CODE", "id": "1", "at": "2027-03-02T09:00:00Z"}, 201, "good"),
    ],
)
def test_each_answer_has_a_status_of_its_own(
    web: httpx.Client, code: str, body: dict[str, str], status: int, answer: str
) -> None:
    told = web.post("/v1/redemptions", json={**body, "code": body["code"].replace("CODE", code)})
    assert (told.status_code, told.json()["answer"]) == (status, answer)


def test_an_offer_that_has_ended_is_gone(web: httpx.Client, code: str, clock: FixedClock) -> None:
    clock.advance(timedelta(days=3))
    assert web.get(f"/v1/codes/{code}").json()["answer"] == "ended"
    assert web.post("/v1/redemptions", json={"code": code, "id": "1"}).status_code == 410


def test_codes_of_all_signs_can_be_asked_for(web: httpx.Client, code: str) -> None:
    assert web.get("/v1/codes/SPRING%2FB").json()["code"] == "SPRING/B"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "not JSON"),
        (b"[]", "as an object"),
        (b'{"id": "1"}', "`code` must be a text"),
        (b'{"code": "A"}', "`id` must be a text"),
        (b'{"code": "A", "id": "1", "codes": 1}', "not a key of a redemption"),
        (b'{"code": "A", "id": "1", "at": "yesterday"}', "`at` must be an instant"),
        (b'{"code": "A", "id": "1", "at": "2027-04-02T09:00:00Z"}', "in the future"),
        (b'{"code": "A", "id": "1", "discount": "2.505"}', "more decimal places"),
        (b'{"code": "A", "id": "1", "currency": "EUR"}', "says nothing"),
        (b'{"code": "A", "id": "1", "discount": 1, "currency": "euro"}', "three capital letters"),
        ('{"code": "A", "id": "1", "discount": 1, "currency": "ΕUR"}'.encode(), "three capital letters"),  # noqa: RUF001
        (b'{"code": "A", "id": "1", "anyway": "yes"}', "true or false"),
        (b'{"code": "A", "id": "1", "\\ud800": 1}', "not a key of a redemption"),
        (b'{"code": "A\\u0000", "id": "1"}', "`code` must be a text"),
    ],
)
def test_what_is_no_redemption_is_refused_in_a_sentence(
    web: httpx.Client, body: bytes, sentence: str
) -> None:
    told = web.post("/v1/redemptions", content=body)
    assert told.status_code == 400 and sentence in told.json()["error"]


def test_one_id_stands_for_one_code(web: httpx.Client, code: str) -> None:
    assert web.post("/v1/redemptions", json={"code": code, "id": "1"}).status_code == 201
    told = web.post("/v1/redemptions", json={"code": "SPRING-C", "id": "1"})
    assert told.status_code == 409 and "another code" in told.json()["error"]
    assert web.delete("/v1/redemptions/2").status_code == 404


def test_only_who_has_a_key_may_ask(web: httpx.Client, code: str) -> None:
    for key in ("", "Bearer tk_wrong"):
        headers = {"authorization": key}
        assert web.get(f"/v1/codes/{code}", headers=headers).status_code == 401
        assert web.post("/v1/redemptions", json={"code": code, "id": "1"}, headers=headers).status_code == 401
        assert web.delete("/v1/redemptions/1", headers=headers).status_code == 401
    assert web.get("/v1/redemptions").status_code == 405
    assert web.post(f"/v1/codes/{code}").status_code == 405
    assert web.post("/v1/redemptions", content=b"x" * 20_000).status_code == 413


def test_who_asks_too_often_is_told_to_wait(web: httpx.Client, clock: FixedClock) -> None:
    told = [web.get("/v1/codes/NOBODY").status_code for _ in range(102)]
    assert told[:100] == [404] * 100 and told[-1] == 429


def test_an_allowance_comes_back_with_time_and_is_each_callers_own() -> None:
    class Watch(FixedClock):
        seconds = 0.0

        def monotonic(self) -> float:
            return self.seconds

    from support.stores import START

    watch = Watch(START)
    allowance = Allowance(watch, rate=2.0, burst=2)
    assert [allowance.takes("a") for _ in range(3)] == [True, True, False]
    assert allowance.takes("b")
    watch.seconds = 0.6
    assert [allowance.takes("a") for _ in range(2)] == [True, False]


def test_while_the_store_is_away_a_till_is_told_to_ask_again(
    web: httpx.Client, opened: Open, code: str
) -> None:
    opened.away = True
    told: Any = web.post("/v1/redemptions", json={"code": code, "id": "1"})
    assert (told.status_code, told.headers["retry-after"]) == (503, "5")
    assert web.get(f"/v1/codes/{code}").status_code == 503
    opened.away = False
    assert web.post("/v1/redemptions", json={"code": code, "id": "1"}).status_code == 201
