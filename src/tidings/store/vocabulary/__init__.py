"""The typed columns of customers: what config/attributes.yaml asks for, what the store has, and the way there.

`customer_attributes` belongs to this migrator, not to Alembic. Adding an attribute is automatic, `was:` renames,
a new type copies the values that convert (and is refused when some do not, unless they are given up with --prune),
removal hides the column until `tidings migrate --prune`. Each migration is one transaction: old or new, never between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.definitions.kinds.rules import Attributes
from tidings.errors import StoreError
from tidings.store.explain import MIGRATE
from tidings.store.tables import keeping
from tidings.store.vocabulary.columns import TABLE, attributes_table, column_name, vocabulary_hash
from tidings.store.vocabulary.planning import VocabularyPlan, plan
from tidings.store.vocabulary.steps import Migrator

if TYPE_CHECKING:
    from tidings.store.database import Store

__all__ = [
    "TABLE",
    "VocabularyPlan",
    "apply_changes",
    "attributes_table",
    "check_vocabulary",
    "column_name",
    "plan_changes",
    "vocabulary_hash",
]


def check_vocabulary(store: Store, attributes: Attributes) -> None:
    """Raise StoreError, naming the command to run, unless exactly these attributes were applied to the store."""
    with store.read() as connection:
        applied = connection.execute(sa.select(keeping.identity.c.vocabulary_hash)).scalar()
    if applied == vocabulary_hash(attributes):
        return
    if applied is None:
        raise StoreError(
            f"{store.place} does not know the attributes of config/attributes.yaml yet",
            what_to_do=MIGRATE,
            code="store-vocabulary",
        )
    raise StoreError(
        f"config/attributes.yaml has changed since {store.place} was last migrated",
        what_to_do=MIGRATE,
        code="store-vocabulary",
    )


def plan_changes(store: Store, attributes: Attributes, *, prune: bool = False) -> VocabularyPlan:
    """Return what would change in the store so that it has exactly these attributes; nothing is changed."""
    with store.read() as connection:
        return plan(connection, attributes, prune=prune)


def apply_changes(store: Store, attributes: Attributes, *, prune: bool = False) -> VocabularyPlan:
    """Change the store in one transaction so that it has exactly these attributes, and return what was done.

    Raises StoreError, with nothing changed, when a change of type would lose values and `prune` is False.
    """
    with store.durable("vocabulary") as connection:
        changes = plan(connection, attributes, prune=prune)
        if changes.problems and not prune:
            raise StoreError(
                "; ".join(changes.problems),
                what_to_do="correct them with an import first, or lose them with `tidings migrate --prune`",
                code="store-vocabulary-loss",
            )
        Migrator(connection, attributes).run(changes)
        connection.execute(keeping.identity.update().values(vocabulary_hash=vocabulary_hash(attributes)))
    return changes
