"""`tidings sandbox`: providers to try things against, on this machine; nothing reaches anybody."""

from __future__ import annotations

import json
from typing import Protocol

import click

from tidings.cli.options import examples, json_option
from tidings.errors import UsageError


class _Server(Protocol):
    @property
    def url(self) -> str: ...

    def close(self) -> None: ...


@click.group(name="sandbox", epilog=examples("tidings sandbox sendgrid --port 4010"))
def command() -> None:
    """Play a provider on this machine: takes messages, keeps them, fails on demand, calls back."""


_port = click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Where to listen; any free port if not given."
)
_hook = click.option("--hook", metavar="URL", default="", help="Where events go: PUBLIC_URL/h/CHANNEL.")
_fate = click.option(
    "--fate",
    "fates",
    metavar="PATTERN=FATE",
    multiple=True,
    help="What becomes of messages to such addresses; may be given again.",
)
_duplicate = click.option(
    "--duplicate", type=click.FloatRange(0, 1), default=0.0, help="Share of events told twice, 0 to 1."
)
_reorder = click.option("--reorder", is_flag=True, help="Tell waiting events in any order.")
_seed = click.option("--seed", type=int, default=1, help="Makes chance repeatable.")


@command.command(
    name="sendgrid",
    epilog=examples(
        "tidings sandbox sendgrid --port 4010",
        "tidings sandbox sendgrid --fate '*@bad.example=bounce'",
        "tidings sandbox sendgrid --limit 5 --duplicate 0.3 --reorder",
    ),
)
@_port
@click.option("--key", default="SG.sandbox", show_default=True, help="The API key that it knows.")
@_hook
@_fate
@click.option("--answer", default="take", show_default=True, help="How every call goes, for trying failures.")
@click.option(
    "--limit", type=click.IntRange(0), default=0, help="Calls a minute; more are throttled. 0: no limit."
)
@_duplicate
@_reorder
@_seed
@json_option
def sendgrid(
    port: int,
    key: str,
    hook: str,
    fates: tuple[str, ...],
    answer: str,
    limit: int,
    duplicate: float,
    reorder: bool,
    seed: int,
    as_json: bool,
) -> int:
    """Play SendGrid: mail/send with its rules, and signed events.

    Fates: deliver, bounce, full, block, drop, drop-unsubscribed, defer, spamreport, unsubscribe, open, machine-open,
    click, silence. An address that begins with such a word gets it without a rule.

    Answers: take, reject-recipient, reject-content, reject-sender, reject-key, too-large, throttle, unavailable, fail,
    cut-in-body, cut-after-body, silent-before-body, silent-after-body, take-and-cut, silent. Ends with Ctrl-C.
    """
    from random import Random

    from tidings.channels.sandbox.sendgrid import SendGridSandbox
    from tidings.channels.sandbox.sendgrid_rules import Answer, Fate

    rules = [(pattern, Fate(_one_of(fate, list(Fate), "fate"))) for pattern, fate in map(_rule, fates)]
    server = SendGridSandbox(
        port=port,
        api_key=key,
        hook_url=hook,
        fates=rules,
        answer=Answer(_one_of(answer, list(Answer), "answer")),
        limit=limit,
        duplicate=duplicate,
        reorder=reorder,
        chance=Random(seed),
    )
    return _play(
        server,
        {
            "base_url": server.url,
            "api_key": key,
            "webhook_key": server.public_key,
            "messages": f"{server.url}/sandbox/messages",
        },
        as_json=as_json,
    )


@command.command(
    name="twilio",
    epilog=examples(
        "tidings sandbox twilio --port 4011",
        "tidings sandbox twilio --hook http://127.0.0.1:8025/h/sms --duplicate",
    ),
)
@_port
@click.option("--hook", metavar="URL", default="", help="Where answers of people go: PUBLIC_URL/h/CHANNEL.")
@click.option(
    "--limit", type=click.IntRange(0), default=0, help="Messages a second; more are throttled. 0: no limit."
)
@click.option("--duplicate", is_flag=True, help="Tell everything twice.")
@click.option("--reorder", is_flag=True, help="Tell the last status first.")
@json_option
def twilio(port: int, hook: str, limit: int, duplicate: bool, reorder: bool, as_json: bool) -> int:
    """Play Twilio: messages with their statuses, and signed callbacks.

    What becomes of a message is decided by the last four digits of its number. Ends with Ctrl-C.
    """
    from tidings.channels.sandbox.twilio import TwilioSandbox

    server = TwilioSandbox(port=port, hook_url=hook, limit=limit, duplicate=duplicate, reorder=reorder)
    return _play(
        server,
        {
            "base_url": server.url,
            "account_sid": server.account_sid,
            "auth_token": server.auth_token,
            "messages": f"{server.url}/sandbox/messages",
        },
        as_json=as_json,
    )


def _play(server: _Server, facts: dict[str, str], *, as_json: bool) -> int:
    from tidings.flows.serve import stopping

    # Also by SIGTERM, and where a shell started us in the background, for whom Ctrl-C is switched off.
    with stopping() as stop:
        if as_json:
            click.echo(json.dumps(facts, indent=2))
        else:
            for name, value in facts.items():
                click.echo(f"{name + ':':<13}{value}")
            click.echo("Ctrl-C ends it")
        try:
            stop.wait()
        finally:
            server.close()
    return 0


def _rule(written: str) -> tuple[str, str]:
    pattern, equals, fate = written.rpartition("=")
    if not equals or not pattern:
        raise UsageError(f"--fate is PATTERN=FATE, not {written}", what_to_do="--fate '*@bad.example=bounce'")
    return pattern, fate


def _one_of(word: str, words: list[str], name: str) -> str:
    if word not in words:
        raise UsageError(f'there is no {name} "{word}"', what_to_do=f"there are: {', '.join(words)}")
    return word
