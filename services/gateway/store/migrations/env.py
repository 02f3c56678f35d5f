"""Alembic's entry: always on the connection it is handed."""

from alembic import context

from services.gateway.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="alembic_version_gateway",
)
context.run_migrations()
