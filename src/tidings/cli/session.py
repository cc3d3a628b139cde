"""What nearly every command opens first: the settings of the workspace and its store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.clock import Clock
    from tidings.config.settings import Settings
    from tidings.store.database import Store
    from tidings.store.upgrading import Target

# So many broken files are named; the rest is counted.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Session:
    """A loaded workspace, its open store and the clock."""

    settings: Settings
    store: Store
    clock: Clock


@contextmanager
def open_session(
    environment: str | None = None,
    root: Path | None = None,
    *,
    need_vocabulary: bool = True,
    clock: Clock | None = None,
    despite_problems: bool = False,
    despite_workspace: bool = False,
) -> Iterator[Session]:
    """Load the workspace and open its store; close the store at the end.

    A development store in a SQLite file that does not exist yet is made on the spot and one line on stderr says so;
    any other store is migrated with `tidings migrate` alone. With `need_vocabulary` the attributes of the store must be
    those of config/attributes.yaml. With `despite_problems`, for commands that stop something or only look at what is
    stored, broken definitions are left out and one line on stderr names their files. With `despite_workspace`, for those that
    must work whatever is broken, config/workspace.yaml may be one of them as long as it says where the store is.
    Raises DefinitionErrors or StoreError.
    """
    from tidings.clock import SystemClock
    from tidings.config.settings import load_settings
    from tidings.store.database import Store
    from tidings.store.vocabulary import check_vocabulary

    settings = load_settings(
        root, environment, despite_problems=despite_problems, despite_workspace=despite_workspace
    )
    target = target_of(settings, clock or SystemClock())
    if settings.problems:
        # No store is made by half of the definitions: there is nothing in it to stop or to look at, either.
        _warn(settings)
    else:
        _make_development_store(target)
    with Store.open(
        target.url,
        clock=target.clock,
        workspace=target.workspace or _owner(target),
        environment=target.environment,
        # Who only stops something draws nobody into an arm: it need not be the right one.
        salt=None if despite_workspace else target.salt,
    ) as store:
        if need_vocabulary:
            check_vocabulary(store, target.attributes)
        yield Session(settings, store, target.clock)


def _owner(target: Target) -> str:
    """Return the workspace that a store says it belongs to, for one whose own file does not say who it is."""
    from tidings.store.database import Store
    from tidings.store.identity import owner

    with (
        Store.unchecked(
            target.url, clock=target.clock, workspace="", environment=target.environment
        ) as store,
        store.read() as connection,
    ):
        return owner(connection, place=store.place)


def _warn(settings: Settings) -> None:
    """Name the files that a command goes on without, each with the place of its first problem, in one line."""
    import click

    places = [f"{path}:{one.at.line}:{one.at.column}" for path, one in sorted(settings.broken.items())]
    more = len(places) - _NAMED
    named = ", ".join(places[:_NAMED]) + (f" and {more} more files" if more > 0 else "")
    them = "them" if len(places) > 1 else "it"
    click.echo(
        f"warning: {named} cannot be read; this command goes on without {them}, and `tidings check` says what is wrong",
        err=True,
    )


def with_step(settings: Settings, name: str) -> Settings:
    """Return the settings with the step of a flow that `FLOW.STEP` names among the campaigns, under that name."""
    from tidings.campaigns.steps import with_named_step

    return replace(settings, definitions=with_named_step(settings.definitions, name))


def target_of(settings: Settings, clock: Clock) -> Target:
    """Return the store that the settings name, and what it must become."""
    from tidings.store.upgrading import Target

    definitions = settings.definitions
    return Target(
        url=settings.store_url,
        clock=clock,
        workspace=definitions.workspace.id,
        environment=settings.environment.name,
        salt=definitions.workspace.salt,
        attributes=definitions.attributes,
    )


def _make_development_store(target: Target) -> None:
    import click

    from tidings.store.engines import file_of
    from tidings.store.upgrading import migrate

    path = file_of(target.url)
    if target.environment != "development" or path is None:
        return
    # An empty file is what a first run leaves that was stopped before its first transaction.
    if path.exists() and path.stat().st_size > 0:
        return
    migrate(target)
    click.echo(f"made a new store at {path}", err=True)
