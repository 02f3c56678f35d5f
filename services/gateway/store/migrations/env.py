"""Alembic's entry: always on the connection it is handed."""

from alembic import context

from services.gateway.store.database import VERSION_TABLE
from services.gateway.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
