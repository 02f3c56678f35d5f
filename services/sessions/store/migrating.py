"""Brings the tables to the newest version."""

from pathlib import Path

from sqlalchemy import Connection

from services.sessions.store.database import Database
from services.storage.migrations import upgrade

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version_sessions"


async def migrate(database: Database) -> None:
    """Raises StoreUnavailable."""
    await database.write(_upgrade)


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # The migrations' library is loaded in the middle of it, and on a busy machine that takes a while.
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
    upgrade(connection, MIGRATIONS, VERSION_TABLE)
