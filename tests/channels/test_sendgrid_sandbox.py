"""The sandbox: takes what the published contract takes, signs what it tells, and its events lead back to messages."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from channels.sendgrid_letters import personal
from support.hooks import hooks
from support.prism import contract
from support.sendgrid_stage import CHANNEL, values
from tidings.channels.protocol import Forged, Kind, Receipt, ReceiptKind, Scope
from tidings.channels.sandbox.sendgrid import SendGridSandbox
from tidings.channels.sandbox.sendgrid_rules import Answer, Fate, errors_in, fate_of
from tidings.channels.sendgrid import SendGridAdapter
from tidings.cli import sandbox as cli
from tidings.clock import SystemClock
from tidings.errors import UsageError


@pytest.fixture
def told() -> Iterator[Callable[..., list[Receipt]]]:
    """Send messages through the adapter and return what the webhook told about them."""
    with ExitStack() as stack:

        def send(*recipients: str, refuse: int = 0, **options: Any) -> list[Receipt]:
            url, kept = stack.enter_context(hooks(refuse))
            sandbox = stack.enter_context(SendGridSandbox(hook_url=url, **options))
            adapter = SendGridAdapter(CHANNEL, values(sandbox.url, webhook_key=sandbox.public_key))
            batch = [personal(number, recipient=one) for number, one in enumerate(recipients)]
            assert {one.kind for one in adapter.connect().submit_many(batch)} == {Kind.ACCEPTED}
            assert sandbox.caller is not None
            assert sandbox.caller.flush()
            return [one for one in kept.events(adapter) if isinstance(one, Receipt)]

        yield send


@pytest.mark.parametrize(
    ("fate", "kinds"),
    [
        (Fate.DELIVER, [ReceiptKind.QUEUED, ReceiptKind.DELIVERED]),
        (Fate.BOUNCE, [ReceiptKind.QUEUED, ReceiptKind.BOUNCED]),
        (Fate.BLOCK, [ReceiptKind.QUEUED, ReceiptKind.BOUNCED]),
        (Fate.DROP, [ReceiptKind.BOUNCED]),
        (Fate.DEFER, [ReceiptKind.QUEUED, ReceiptKind.DEFERRED, ReceiptKind.DELIVERED]),
        (Fate.SPAMREPORT, [ReceiptKind.QUEUED, ReceiptKind.DELIVERED, ReceiptKind.COMPLAINED]),
        (Fate.UNSUBSCRIBE, [ReceiptKind.QUEUED, ReceiptKind.DELIVERED, ReceiptKind.UNSUBSCRIBED]),
        (Fate.OPEN, [ReceiptKind.QUEUED, ReceiptKind.DELIVERED, ReceiptKind.OPENED]),
        (Fate.CLICK, [ReceiptKind.QUEUED, ReceiptKind.DELIVERED, ReceiptKind.CLICKED]),
        (Fate.SILENCE, []),
    ],
)
def test_each_fate_is_told_in_its_events(told: Any, fate: Fate, kinds: list[ReceiptKind]) -> None:
    receipts = told(f"{fate.value}-1@example.com")
    assert [one.kind for one in receipts] == kinds
    assert {one.reference for one in receipts} <= {"ab12cd-0"}


def test_a_click_tells_a_link_of_the_message_itself(told: Any) -> None:
    click = told("click@example.com")[-1]
    assert click.url.startswith("https://t.shop.example/c/")


def test_a_hard_bounce_and_a_block_differ_in_what_they_say_of_the_address(told: Any) -> None:
    by_address = {
        one.address: one for one in told("bounce@example.com", "block@example.com", "full@example.com")
    }
    found = {address.partition("@")[0]: (one.scope, one.permanent) for address, one in by_address.items()}
    assert found == {
        "bounce": (Scope.RECIPIENT, True),
        "block": (Scope.CONFIG, False),
        "full": (Scope.RECIPIENT, False),
    }


def test_rules_come_before_names(told: Any) -> None:
    receipts = told("bounce@good.example", fates=[("*@good.example", Fate.DELIVER)])
    assert [one.kind for one in receipts] == [ReceiptKind.QUEUED, ReceiptKind.DELIVERED]
    assert fate_of("bouncer@x.example", []) is Fate.DELIVER
    assert fate_of("drop-unsubscribed@x.example", []) is Fate.DROP_UNSUBSCRIBED


def test_told_twice_an_event_keeps_its_id(told: Any) -> None:
    receipts = told("a@example.com", "b@example.com", duplicate=1.0)
    assert len(receipts) == 8
    assert len({one.event_id for one in receipts}) == 4


@pytest.mark.parametrize("reorder", [False, True])
def test_events_come_out_of_order_on_demand(told: Any, reorder: bool) -> None:
    receipts = told(*(f"defer-{number}@example.com" for number in range(20)), reorder=reorder)
    assert len(receipts) == 60
    told_of = {
        one.reference: [other.at for other in receipts if other.reference == one.reference]
        for one in receipts
    }
    assert any(instants != sorted(instants) for instants in told_of.values()) is reorder


def test_a_webhook_that_fails_is_called_again(told: Any) -> None:
    assert [one.kind for one in told("a@example.com", refuse=1)] == [
        ReceiptKind.QUEUED,
        ReceiptKind.DELIVERED,
    ]


def test_an_old_call_of_the_sandbox_is_refused_later(told: Any) -> None:
    with hooks() as (url, kept), SendGridSandbox(hook_url=url) as sandbox:
        adapter = SendGridAdapter(CHANNEL, values(sandbox.url, webhook_key=sandbox.public_key))
        adapter.connect().submit(personal(1))
        assert sandbox.caller is not None
        assert sandbox.caller.flush()
        with pytest.raises(Forged):
            adapter.parse_webhook(kept.calls[0], SystemClock().now() + timedelta(minutes=6))


def _schema() -> Any:
    document = json.loads(contract("sendgrid_mail_v3.json").read_text())
    place = "#/components/requestBodies/PostMailSend/content/application~1json/schema"
    return jsonschema.Draft202012Validator({"$ref": place, "components": document["components"]})


def test_what_the_sandbox_took_is_what_the_contract_takes() -> None:
    schema = _schema()
    with SendGridSandbox() as sandbox:
        opened = SendGridAdapter(CHANNEL, values(sandbox.url, ip_pool="shop", tracking=True)).connect()
        batch = [personal(n) for n in range(50)] + [
            personal(60, html=None, reply_to="Help <help@shop.example>")
        ]
        assert {one.kind for one in opened.submit_many(batch)} == {Kind.ACCEPTED}
        for request in sandbox.requests:
            assert list(schema.iter_errors(request)) == []


GOOD: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "a@example.com"}]}],
    "from": {"email": "shop@example.com"},
    "subject": "S",
    "content": [{"type": "text/plain", "value": "x"}],
}


@pytest.mark.parametrize(
    "change",
    [
        {"from": None},
        {"personalizations": []},
        {"personalizations": [{"to": [{"email": "a@example.com"}]}] * 1001},
        {"personalizations": [{"to": []}]},
        {"personalizations": [{"to": [{"email": "a b@example.com"}]}]},
        {"personalizations": [{"to": [{"email": "a@example.com"}]}, {"to": [{"email": "A@example.com"}]}]},
        {"personalizations": [{"to": [{"email": "a@example.com"}], "custom_args": {"mid": 1}}]},
        {"personalizations": [{"to": [{"email": "a@example.com"}], "substitutions": {"-a-": 1}}]},
        {"personalizations": [{"to": [{"email": "a@example.com"}], "substitutions": {"-a-": "x" * 10_100}}]},
        {"personalizations": [{"to": [{"email": "a@example.com"}], "headers": {"Subject": "x"}}]},
        {"personalizations": [{"to": [{"email": "a@example.com"}], "headers": {"X-A": "x\r\ny"}}]},
        {"subject": ""},
        {"content": []},
        {"content": [{"type": "text/plain", "value": ""}]},
        {"content": [{"type": "text/html", "value": "x"}, {"type": "text/plain", "value": "x"}]},
        {"categories": ["a", "a"]},
        {"categories": list("abcdefghijk")},
        {"ip_pool_name": "x"},
    ],
    ids=range(18),
)
def test_what_the_real_service_refuses_is_refused(change: dict[str, Any]) -> None:
    assert errors_in(GOOD, 100) == []
    assert errors_in({**GOOD, **change}, 100)


def test_a_request_over_thirty_megabytes_is_refused() -> None:
    assert errors_in(GOOD, 30_000_001)


def test_the_command_plays_until_it_is_stopped_and_prints_what_a_channel_needs() -> None:
    script = "from tidings.cli.sandbox import command; command(standalone_mode=False)"
    with subprocess.Popen(
        [sys.executable, "-c", script, "sendgrid", "--json", "--fate", "*@bad.example=bounce"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            while lines[-1] != "}\n":
                lines.append(process.stdout.readline())
            facts = json.loads("".join(lines))
            adapter = SendGridAdapter(CHANNEL, values(facts["base_url"], api_key=facts["api_key"]))
            assert adapter.connect().submit(personal(1, recipient="x@bad.example")).kind == Kind.ACCEPTED
            with urllib.request.urlopen(facts["messages"], timeout=60) as reply:
                [message] = json.loads(reply.read())
            assert (message["recipient"], message["fate"]) == ("x@bad.example", "bounce")
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    "words", [["--fate", "bounce"], ["--fate", "*=explode"], ["--answer", "explode"], ["--hook", "x"]]
)
def test_words_that_mean_nothing_are_refused_with_what_there_is(words: list[str]) -> None:
    result = CliRunner().invoke(cli.command, ["sendgrid", *words])
    assert isinstance(result.exception, UsageError)


def test_the_help_names_every_fate_and_every_answer() -> None:
    words = " ".join(CliRunner().invoke(cli.command, ["sendgrid", "--help"]).output.split()).replace(
        "- ", "-"
    )
    assert [one for one in (*Fate, *Answer) if one.value not in words] == []
