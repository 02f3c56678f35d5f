"""Opens the database, SQLite or Postgres, and brings its tables up to date."""

from pathlib import Path

from services.storage.database import Database
from services.storage.migrations import upgrade

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version_sandbox"


def open_database(url: str) -> Database:
    """See Database."""
    return Database(url)


async def migrate(database: Database) -> None:
    """Runs what migrations are missing."""
    async with database.begin() as connection:
        await connection.run_sync(upgrade, MIGRATIONS, VERSION_TABLE)
