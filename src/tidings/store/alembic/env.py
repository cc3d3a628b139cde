"""Runs the revisions on the connection that `tidings.store.migrations` hands over, in one transaction."""

from __future__ import annotations

from alembic import context

from tidings.store.tables import metadata


def main() -> None:
    """Run the revisions."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        render_as_batch=True,
        transactional_ddl=True,
        transaction_per_migration=False,
    )
    # No begin_transaction here: the caller's durable transaction holds everything, so a kill leaves old or new.
    context.run_migrations()


main()
