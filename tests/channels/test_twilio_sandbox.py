"""The Twilio sandbox: it judges calls as the provider does, keeps state, and never calls beyond this machine."""

from __future__ import annotations

import json
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import pytest

from support.twilio_stage import catcher
from tidings.channels.sandbox.twilio import ACCOUNT, TOKEN, TwilioSandbox
from tidings.clock import FixedClock

PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
GOOD = {"To": "+46701112233", "From": "+15005550006", "Body": "Hello"}


@pytest.fixture
def sandbox() -> Iterator[TwilioSandbox]:
    with TwilioSandbox() as running:
        yield running


def call(
    sandbox: TwilioSandbox, path: str, fields: dict[str, str] | None = None, token: str = TOKEN
) -> tuple[int, Any]:
    body = None if fields is None else urlencode(fields).encode()
    login = b64encode(f"{ACCOUNT}:{token}".encode()).decode()
    request = urllib.request.Request(sandbox.url + path, body, {"Authorization": f"Basic {login}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"To": ""}, 400, 21604),
        ({"To": "0701112233"}, 400, 21211),
        ({"From": ""}, 400, 21603),
        ({"From": "a name of many signs"}, 400, 21212),
        ({"Body": ""}, 400, 21602),
        ({"Body": "x" * 1601}, 400, 21617),
        ({"MessagingServiceSid": "MG1"}, 404, 21701),
        ({"StatusCallback": "ftp://x.example"}, 400, 21609),
        ({"ValidityPeriod": "0"}, 400, 20001),
        ({"ValidityPeriod": "36001"}, 400, 20001),
    ],
)
def test_a_bad_call_is_refused_with_the_providers_code(
    sandbox: TwilioSandbox, change: dict[str, str], status: int, code: int
) -> None:
    answer = call(sandbox, f"{PATH}.json", GOOD | change)
    assert (answer[0], answer[1]["code"], answer[1]["status"]) == (status, code, status)
    assert sandbox.messages == []


def test_a_message_is_queued_at_once_and_has_its_fate_when_asked_for(sandbox: TwilioSandbox) -> None:
    status, made = call(sandbox, f"{PATH}.json", GOOD)
    assert (status, made["status"], made["price"]) == (201, "queued", None)
    later = call(sandbox, f"{PATH}/{made['sid']}.json")[1]
    assert (later["status"], later["price"], later["error_code"]) == ("delivered", "-0.00790", None)
    bad = call(sandbox, f"{PATH}.json", GOOD | {"To": "+46701113005"})[1]
    assert call(sandbox, f"{PATH}/{bad['sid']}.json")[1]["error_code"] == 30005


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("a" * 160, "1"),
        ("a" * 161, "2"),
        ("€" * 81, "2"),
        ("新" * 70, "1"),
        ("新" * 71, "2"),
        ("😀" * 36, "2"),
    ],
)
def test_the_sandbox_counts_segments(sandbox: TwilioSandbox, text: str, segments: str) -> None:
    assert call(sandbox, f"{PATH}.json", GOOD | {"Body": text})[1]["num_segments"] == segments


def test_the_list_is_of_one_number_the_newest_first(sandbox: TwilioSandbox) -> None:
    for body in ("one", "two"):
        call(sandbox, f"{PATH}.json", GOOD | {"Body": body})
    call(sandbox, f"{PATH}.json", GOOD | {"To": "+46709998877"})
    page = call(sandbox, f"{PATH}.json?{urlencode({'To': GOOD['To']})}")[1]
    assert [one["body"] for one in page["messages"]] == ["two", "one"]
    assert len(call(sandbox, f"{PATH}.json?PageSize=1")[1]["messages"]) == 1


def test_nobody_gets_in_without_the_token_and_unknown_places_are_not_found(sandbox: TwilioSandbox) -> None:
    assert call(sandbox, f"{PATH}.json", GOOD, token="wrong")[0] == 401
    assert call(sandbox, PATH.replace("5a5a", "0000") + ".json", GOOD)[0] == 404
    assert call(sandbox, f"{PATH}/SM{'0' * 32}.json")[0] == 404
    assert call(sandbox, "/2010-04-01/Accounts.json")[0] == 404
    assert sandbox.requests == []


def test_more_than_the_limit_in_a_second_is_throttled() -> None:
    with TwilioSandbox(limit=2, clock=FixedClock(datetime(2027, 3, 2, tzinfo=UTC))) as sandbox:
        answers = [call(sandbox, f"{PATH}.json", GOOD)[0] for _ in range(3)]
    assert answers == [201, 201, 429]


def test_somebody_may_answer_by_a_call_and_stop_shuts_the_number() -> None:
    with catcher() as caught, TwilioSandbox(hook_url=f"{caught.url}/h/sms") as sandbox:
        answer = call(sandbox, "/sandbox/inbound", {"From": GOOD["To"], "Body": "stop"})
        sandbox.settle()
        assert answer[0] == 200 and b"OptOutType=STOP" in caught.calls[0].body
        assert call(sandbox, f"{PATH}.json", GOOD)[1]["code"] == 21610
        assert call(sandbox, "/sandbox/messages")[1] == []


def test_a_callback_that_leads_away_from_this_machine_is_not_made(sandbox: TwilioSandbox) -> None:
    call(sandbox, f"{PATH}.json", GOOD | {"StatusCallback": "http://192.0.2.1/h/sms"})
    sandbox.settle()
    assert sandbox.caller.answers == []


def test_closing_twice_is_allowed() -> None:
    sandbox = TwilioSandbox()
    sandbox.close()
    sandbox.close()
