"""`tidings migrate` as a whole: what a store lacks, said first, and then done.

Three transactions, each of them all or nothing: the tables, whose store it is, the attributes. Run again after an
interruption, it goes on where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tidings.clock import Clock
from tidings.definitions.kinds.rules import Attributes
from tidings.errors import StoreError
from tidings.store import identity, migrations, vocabulary
from tidings.store.database import Store
from tidings.store.engines import file_of
from tidings.store.vocabulary.planning import VocabularyPlan, first_plan

# Steps of the vocabulary that cannot be taken back.
_FOR_EVER = {"drop", "convert"}


@dataclass(frozen=True, slots=True)
class Target:
    """The store to migrate, and what it must become: address, owner, salt and attributes."""

    url: str
    clock: Clock
    workspace: str
    environment: str
    salt: str
    attributes: Attributes

    def unchecked(self, *, create: bool = False) -> Store:
        """Open it whatever state it is in."""
        return Store.unchecked(
            self.url,
            clock=self.clock,
            workspace=self.workspace,
            environment=self.environment,
            create=create,
        )


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """What `tidings migrate` would do; `problems` are values that would be lost and need --prune."""

    place: str
    new: bool
    unowned: bool
    revisions: tuple[migrations.Revision, ...]
    vocabulary: VocabularyPlan

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing to do."""
        return not (self.new or self.unowned or self.revisions or not self.vocabulary.empty)

    @property
    def schema_sentences(self) -> tuple[str, ...]:
        """What happens to the tables."""
        if self.new:
            return (f"make a new store at {self.place}",)
        return tuple(
            f"bring the tables to schema {step.number}: {step.sentence[:1].lower()}{step.sentence[1:]}"
            for step in self.revisions
        ) + (("note which workspace the store belongs to",) if self.unowned else ())

    @property
    def wants_backup(self) -> bool:
        """Tell whether something is done to tables or values that cannot be taken back."""
        steps = {kind for kind, _, _ in self.vocabulary.steps}
        return bool(not self.new and (self.revisions or steps & _FOR_EVER))


def plan_migration(target: Target, *, prune: bool = False) -> MigrationPlan:
    """Return what a migration would do; the store is not touched, and not made if it is missing."""
    path = file_of(target.url)
    if path is not None and not path.exists():
        return MigrationPlan(str(path), True, True, (), first_plan(target.attributes))
    with target.unchecked() as store:
        return _plan(store, target, prune=prune)


def migrate(target: Target, *, prune: bool = False) -> Path | None:
    """Bring the store up to date, making it if it is missing; return the backup that was made first, if any.

    Raises StoreError, with nothing done, when the store is another workspace's or newer, and when values
    would be lost and `prune` is False.
    """
    with target.unchecked(create=True) as store:
        plan = _plan(store, target, prune=prune)
        if plan.vocabulary.problems and not prune:
            raise StoreError(
                "; ".join(plan.vocabulary.problems),
                what_to_do="correct them with an import first, or lose them with `tidings migrate --prune`",
                code="store-vocabulary-loss",
            )
        copy = migrations.backup(store) if plan.wants_backup else None
        migrations.upgrade(store)
        if plan.unowned:
            migrations.record_owner(store, salt=target.salt)
        if not plan.vocabulary.empty:
            vocabulary.apply_changes(store, target.attributes, prune=prune)
    return copy


def _plan(store: Store, target: Target, *, prune: bool) -> MigrationPlan:
    revisions = migrations.pending(store)
    with store.read() as connection:
        tables = sa.inspect(connection)
        owned = tables.has_table("identity") and identity.check_owner(
            connection,
            place=store.place,
            workspace=target.workspace,
            environment=target.environment,
            salt=target.salt,
        )
        new = identity.revision_of(connection) is None
        if new and tables.get_table_names():
            raise StoreError(
                f"{store.place} holds tables of something else",
                what_to_do="give tidings a database of its own",
                code="store-foreign",
            )
    changes = (
        vocabulary.plan_changes(store, target.attributes, prune=prune)
        if owned
        else first_plan(target.attributes)
    )
    return MigrationPlan(store.place, new, not owned, revisions, changes)
