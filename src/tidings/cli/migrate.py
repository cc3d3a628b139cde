"""`tidings migrate`: bring the store up to date, saying first what that means."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from tidings.cli.options import environment_option, examples, yes_option
from tidings.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tidings.store.upgrading import MigrationPlan


@click.command(
    epilog=examples(
        "tidings migrate",
        "tidings migrate --environment production --yes",
        "tidings migrate --prune           # after removing attributes",
        "tidings migrate --clock           # after changing `clock:`",
    )
)
@environment_option
@yes_option
@click.option(
    "--prune",
    is_flag=True,
    help="Also delete, for ever, the values of removed attributes and those that a new type cannot hold.",
)
@click.option(
    "--clock", "switch", is_flag=True, help="Switch the store to the clock that config/workspace.yaml names."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; without --yes nothing is changed.")
def command(environment: str | None, yes: bool, prune: bool, switch: bool, as_json: bool) -> int:
    """Bring the store up to date: its tables, and the attributes of config/attributes.yaml.

    It says first what it will do and asks. Before tables or values are changed for good, a SQLite store is copied
    beside itself. Interrupted at any point, the store is as before or as wanted; run it again.
    """
    from tidings.cli.session import target_of
    from tidings.clock import SystemClock
    from tidings.config.settings import load_settings
    from tidings.store.upgrading import migrate, plan_migration

    if switch:
        return _switch_clock(environment)
    settings = load_settings(None, environment)
    target = target_of(settings, SystemClock())
    plan = plan_migration(target, prune=prune)
    lossy = bool(plan.vocabulary.problems) and not prune
    if not as_json:
        _show(plan)
    if plan.empty or lossy or not (yes or (not as_json and _asked())):
        if as_json:
            _print_json(plan, settings.environment.name, done=False, backup=None)
        elif lossy:
            _show_problems(plan)
        elif not plan.empty:
            click.echo("nothing was changed")
        return 1 if lossy else 0
    copy = migrate(target, prune=prune)
    if as_json:
        _print_json(plan, settings.environment.name, done=True, backup=copy)
        return 0
    if copy is not None:
        click.echo(f"the store as it was: {copy}")
    click.echo("done")
    return 0


def _switch_clock(environment: str | None) -> int:
    """Let the other kind of clock wake the work of the store; refused while the one before is at work."""
    import getpass

    from tidings.cli.session import open_session
    from tidings.flows.clock_lock import switch_clock

    with open_session(environment, need_vocabulary=False) as session:
        kind = session.settings.definitions.workspace.clock
        done = switch_clock(session.store, kind, actor=getpass.getuser(), now=session.clock.now())
        place = session.store.place
    click.echo(
        f"{place} is woken by the {kind} clock from now on" if done else f"nothing to switch: {kind} it is"
    )
    return 0


def _asked() -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            "this would change the store and there is nobody to ask",
            what_to_do="add --yes once you have read what would change",
        )
    return click.confirm("Do this?", default=True)


def _show(plan: MigrationPlan) -> None:
    if plan.empty:
        click.echo(f"{plan.place} is up to date")
        return
    click.echo(f"{plan.place} will change:")
    for sentence in (*plan.schema_sentences, *plan.vocabulary.sentences):
        click.echo(f"  - {sentence}")


def _show_problems(plan: MigrationPlan) -> None:
    for problem in plan.vocabulary.problems:
        click.echo(f"error: {problem}", err=True)
    click.echo(
        "  nothing was changed; correct the values with an import first, or lose them with `tidings migrate --prune`",
        err=True,
    )


def _print_json(plan: MigrationPlan, environment: str, *, done: bool, backup: Path | None) -> None:
    import json

    result: dict[str, Any] = {
        "store": plan.place,
        "environment": environment,
        "new": plan.new,
        "schema": list(plan.schema_sentences),
        "attributes": list(plan.vocabulary.sentences),
        "problems": list(plan.vocabulary.problems),
        "done": done,
        "backup": str(backup) if backup else None,
    }
    click.echo(json.dumps(result, ensure_ascii=False, indent=2))
