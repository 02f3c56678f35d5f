"""Runs the migrations on the connection that store/database.py hands over."""

from alembic import context

from services.sessions.store.migrating import VERSION_TABLE
from services.sessions.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
