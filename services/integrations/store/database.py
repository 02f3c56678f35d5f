"""Opens the database, SQLite or Postgres, and brings its tables up to date."""

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.storage.migrations import upgrade
from services.storage.sqlite import prepare_sqlite

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version_integrations"


def open_engine(url: str) -> AsyncEngine:
    """An engine for `sqlite+aiosqlite:///…` or `postgresql+psycopg://…`."""
    if not url.startswith("sqlite"):
        return create_async_engine(url, pool_pre_ping=True)
    engine = create_async_engine(url)
    if file := engine.url.database:
        Path(file).touch(mode=0o600)  # nobody else's business, sealed as the tokens in it are
    prepare_sqlite(engine.sync_engine)
    return engine


async def migrate(engine: AsyncEngine) -> None:
    """Runs what migrations are missing."""
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, MIGRATIONS, VERSION_TABLE)
