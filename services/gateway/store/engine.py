"""Opens the database and brings its tables up to date."""

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.storage.migrations import upgrade
from services.storage.sqlite import prepare_sqlite

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version_gateway"


def open_engine(url: str) -> AsyncEngine:
    """An engine for `sqlite+aiosqlite:` (its folder is made) or `postgresql+psycopg:`."""
    where = make_url(url)
    if where.get_backend_name() != "sqlite":
        return create_async_engine(where, pool_pre_ping=True)
    if where.database:
        Path(where.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(where)
    prepare_sqlite(engine.sync_engine)
    return engine


async def migrate(engine: AsyncEngine) -> None:
    """Runs the migrations that are missing. Safe to repeat, and from several replicas at once."""
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, MIGRATIONS, VERSION_TABLE)
