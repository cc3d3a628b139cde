"""`tidings deploy`: let a Prefect server wake the scheduled work, on any number of machines."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.config.settings import Settings
    from tidings.flows.prefect_file import Schedules


@click.command(
    epilog=examples(
        "tidings deploy --dry-run",
        "tidings deploy --environment production",
        "tidings deploy --tick 30 --nightly 03:15",
    )
)
@click.option(
    "--tick", type=click.IntRange(5, 3600), default=60, show_default=True, help="Seconds between two ticks."
)
@click.option(
    "--reconcile",
    type=click.IntRange(30, 3600),
    default=120,
    show_default=True,
    help="Seconds between two looks for what killed workers left.",
)
@click.option(
    "--nightly", default="02:30", show_default=True, metavar="HH:MM", help="When the night's flow begins."
)
@click.option(
    "--pool", default="tidings", show_default=True, help="The work pool of Prefect, of the type process."
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be registered and print prefect.yaml; ask no server, write nothing.",
)
@click.option("--as-is", is_flag=True, help="Register prefect.yaml as it is in the workspace.")
@click.option("--force", is_flag=True, help="Write prefect.yaml over, even if it was changed by hand.")
@environment_option
@json_option
def command(
    *,
    tick: int,
    reconcile: int,
    nightly: str,
    pool: str,
    dry_run: bool,
    as_is: bool,
    force: bool,
    environment: str | None,
    as_json: bool,
) -> int:
    """Register the scheduled work with the Prefect server at PREFECT_API_URL.

    Writes prefect.yaml, makes the work pool, registers its deployments and a watch over heartbeats. Needs `clock: prefect`
    in config/workspace.yaml. Then start a worker on each machine, in its copy of the workspace:

    prefect worker start --pool tidings --type process
    """
    from tidings.clock import SystemClock
    from tidings.errors import UsageError
    from tidings.flows import prefect_file, prefect_server

    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", nightly):
        raise UsageError(f'"{nightly}" is no time of day', what_to_do="write it as 02:30")
    if as_is and (force or dry_run):
        raise UsageError("--as-is goes neither with --force nor with --dry-run")
    settings = _settings(environment)
    schedules = prefect_file.Schedules(tick, reconcile, nightly, pool)
    text = prefect_file.content(settings, schedules, version=prefect_server.prefect_version())
    names = prefect_file.deployment_names(settings)
    if dry_run:
        if as_json:
            click.echo(json.dumps({"file": text, "deployments": names, "done": False}, indent=2))
        else:
            click.echo("This would be registered with the Prefect server; nothing is asked or written now.\n")
            _tell(names, settings, schedules)
            click.echo(f"\nBy this file, {settings.root / prefect_file.FILE}:\n")
            click.echo(text, nl=False)
        return 0
    url = prefect_server.server_url()
    _check_store(settings)
    if not as_is:
        prefect_file.write(settings, text, force=force)
    made = prefect_server.ensure_pool(pool)
    prefect_server.register(settings.root)
    watch = prefect_server.ensure_watch()
    if not prefect_server.schedules_come(names["tick"], SystemClock()):
        click.echo(
            "WARNING  the server has registered the deployments and plans no run of them. Prefect 3.8 does so with SQLAlchemy 2.1:\n"
            "  start it with `python -m tidings.flows.prefect_serving`, or out of an environment of its own",
            err=True,
        )
    if as_json:
        result: dict[str, Any] = {
            "file": text,
            "deployments": names,
            "done": True,
            "server": url,
            "pool": pool,
        }
        click.echo(json.dumps({**result, "pool_made": made, "watch_made": watch}, indent=2))
        return 0
    if as_is:
        for kind, name in names.items():
            click.echo(f"{kind:<10} {name}")
    else:
        _tell(names, settings, schedules)
    click.echo(f"{'pool':<10} {pool}{' (new)' if made else ''}")
    click.echo(f"{'watch':<10} {prefect_server.WATCH}{' (new)' if watch else ''}")
    click.echo(
        "\nStart a worker on each machine, in its copy of the workspace:\n"
        f"  prefect worker start --pool {pool} --type process"
    )
    return 0


def _tell(names: dict[str, str], settings: Settings, schedules: Schedules) -> None:
    """Print what is woken, when, and what it does."""
    from tidings.flows.prefect_file import WHAT

    zone = settings.definitions.workspace.zone
    when = {
        "tick": _every(schedules.tick),
        "reconcile": _every(schedules.reconcile),
        "nightly": f"every day at {schedules.nightly} in {zone}",
    }
    for kind, name in names.items():
        click.echo(f"{kind:<10} {name}, {when[kind]}\n{'':<10} {WHAT[kind]}")


def _every(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    if rest or not minutes:
        return f"every {seconds} seconds"
    return "every minute" if minutes == 1 else f"every {minutes} minutes"


def _settings(environment: str | None) -> Settings:
    """Load the workspace; raises UsageError unless it says that Prefect owns the clock."""
    from tidings.config.settings import load_settings
    from tidings.errors import UsageError

    settings = load_settings(None, environment)
    if settings.definitions.workspace.clock != "prefect":
        raise UsageError(
            "this workspace is woken by the clock inside `tidings serve` (`clock: embedded`)",
            what_to_do="write `clock: prefect` in config/workspace.yaml to let a Prefect server do it",
        )
    return settings


def _check_store(settings: Settings) -> None:
    """Look into the store: it must be there, and not be woken by the other kind of clock."""
    from tidings.flows.opening import opened

    with opened(settings.environment.name, str(settings.root)) as here:
        if here.store.dialect == "sqlite":
            click.echo(
                "WARNING  the store is a SQLite file: all workers must run on this machine; for several use PostgreSQL",
                err=True,
            )
