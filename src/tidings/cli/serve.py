"""`tidings serve`: the tracker and the worker under one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidings.cli.options import environment_option, examples

if TYPE_CHECKING:
    from tidings.config.settings import Settings


@click.command(
    epilog=examples(
        "tidings serve                          # this machine only, port 8200",
        "tidings serve --new-api-key web-shop   # for a server that sends events",
    )
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8200, show_default=True, help="Port to listen on; 0 takes a free one.")
@environment_option
@click.option("--web-only", is_flag=True, help="Only the tracker; prints nothing but its address.")
@click.option("--new-api-key", metavar="NAME", help="Make a key for POST /v1/events, print it and end.")
@click.option("--child", type=click.Choice(["web", "worker", "night"]), hidden=True)
@click.option("--socket", "descriptor", type=int, hidden=True)
@click.option("--lifeline", type=int, hidden=True)
def command(
    *,
    host: str,
    port: int,
    environment: str | None,
    web_only: bool,
    new_api_key: str | None,
    child: str | None,
    descriptor: int | None,
    lifeline: int | None,
) -> int:
    """Run the tracker (pixel, click, unsubscribe, events) and the worker that drains and sends.

    Both are restarted when they die; Ctrl-C stops both. What the tracker has answered is on the disk, and the worker
    brings it into the store within a second. Behind a public address put a web server with TLS in front; links in
    messages lead to public_url of config/workspace.yaml.
    """
    from tidings.clock import SystemClock

    if new_api_key is not None:
        return _new_key(new_api_key)
    if lifeline is not None:
        from tidings.flows.lifeline import hold

        hold(lifeline)
    if child is not None:
        return _run_child(child, environment, descriptor)

    from tidings.flows.serve import serve

    clock = SystemClock()
    if web_only:
        from tidings.flows.web import settings_of_web

        # The child says what it goes on without.
        settings = settings_of_web(environment, lambda _: None)
        serve(settings, clock=clock, say=_say, announce=_print, host=host, port=port, web_only=True)
        return 0
    from tidings.cli.paused import paused_lines
    from tidings.cli.session import open_session
    from tidings.flows.clock_lock import check_kind
    from tidings.flows.prefect_server import clock_lines

    # Opened once before anything starts: a store that is missing or not migrated is said here, in one sentence.
    with open_session(environment) as session:
        settings, place = session.settings, session.store.place
        check_kind(session.store, settings.definitions.workspace.clock)
        for line in clock_lines(settings):
            _say(line)
        for line in paused_lines(session.store):
            _say(f"WARNING  {line}")
    serve(
        settings,
        clock=clock,
        say=_say,
        announce=lambda address: _greet(address, settings, place),
        host=host,
        port=port,
    )
    click.echo("stopped", err=True)
    return 0


def _greet(address: str, settings: Settings, place: str) -> None:
    from tidings.tokens.api_keys import ApiKeys

    environment, public = settings.environment, settings.definitions.workspace.public_url
    names = ", ".join(name for name, _ in ApiKeys.load().entries)
    click.echo(f"Tracker      {address}")
    click.echo(f"Environment  {environment.name}{' (messages become files)' if environment.outbox else ''}")
    click.echo(f"Store        {place}")
    click.echo(f"Event API    {f'{address}/v1/events for {names}' if names else 'off: no TIDINGS_API_KEYS'}")
    if public.rstrip("/") != address:
        click.echo(f"Links lead   to {public} (public_url): that address must reach the tracker")
    click.echo("Ctrl-C stops both the tracker and the worker.")


def _run_child(child: str, environment: str | None, descriptor: int | None) -> int:
    from tidings.clock import SystemClock

    if child == "web":
        from tidings.flows.web import run_web, settings_of_web

        assert descriptor is not None
        run_web(settings_of_web(environment, _say), descriptor, clock=SystemClock(), say=_say)
        return 0
    if child == "night":
        from tidings.flows.night_shift import work_through
        from tidings.flows.opening import opened

        with opened(environment) as here:
            work_through(here)
        return 0
    from tidings.cli.session import open_session
    from tidings.flows.serve import stopping
    from tidings.flows.worker import run_worker

    with stopping() as stop, open_session(environment) as session:
        run_worker(session.settings, session.store, clock=session.clock, stop=stop, say=_say)
    return 0


def _new_key(name: str) -> int:
    from tidings.tokens.api_keys import VARIABLE, new_api_key

    key, entry = new_api_key(name)
    click.echo(
        f"Key for {name}, shown this once; its server sends it as `Authorization: Bearer KEY`:\n\n  {key}\n"
    )
    click.echo(
        f"Add this entry to the variable {VARIABLE} of `tidings serve` (several by commas):\n\n  {entry}"
    )
    return 0


def _print(line: str) -> None:
    click.echo(line)


def _say(line: str) -> None:
    click.echo(line, err=True)
