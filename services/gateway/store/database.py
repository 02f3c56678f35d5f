"""Opens the database and brings its tables up to date."""

from pathlib import Path

from sqlalchemy.engine import make_url

from services.storage.database import Database
from services.storage.migrations import upgrade

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version_gateway"


def open_database(url: str) -> Database:
    """See Database; the folder of a SQLite file is made."""
    where = make_url(url)
    if where.get_backend_name() == "sqlite" and where.database:
        Path(where.database).parent.mkdir(parents=True, exist_ok=True)
    return Database(url)


async def migrate(database: Database) -> None:
    """Runs the migrations that are missing. Safe to repeat, and from several replicas at once."""
    async with database.begin() as connection:
        await connection.run_sync(upgrade, MIGRATIONS, VERSION_TABLE)
