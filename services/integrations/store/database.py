"""Opens the database, SQLite or Postgres, and brings its tables up to date."""

from pathlib import Path

from sqlalchemy.engine import make_url

from services.storage.database import Database
from services.storage.migrations import upgrade

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version_integrations"


def open_database(url: str) -> Database:
    """See Database."""
    where = make_url(url)
    if where.get_backend_name() == "sqlite" and where.database:
        Path(where.database).touch(mode=0o600)  # nobody else's business, sealed as the tokens in it are
    return Database(url)


async def migrate(database: Database) -> None:
    """Runs what migrations are missing."""
    async with database.begin() as connection:
        await connection.run_sync(upgrade, MIGRATIONS, VERSION_TABLE)
