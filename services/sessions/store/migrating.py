"""Brings the tables to the newest version."""

from functools import partial
from pathlib import Path

from services.sessions.store.database import Database
from services.storage.migrations import upgrade

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version_sessions"


async def migrate(database: Database) -> None:
    """Raises StoreUnavailable."""
    await database.write(partial(upgrade, folder=MIGRATIONS, version_table=VERSION_TABLE))
