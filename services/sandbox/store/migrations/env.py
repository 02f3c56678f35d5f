"""Alembic runs this; the connection comes from `database.migrate`."""

from alembic import context

from services.sandbox.store.database import VERSION_TABLE
from services.sandbox.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
