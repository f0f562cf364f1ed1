"""Run by Alembic, on the connection that :mod:`monitor.store.database` hands over."""

from alembic import context

from monitor.store.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
