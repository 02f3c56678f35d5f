"""Engines for SQLite and Postgres, their clock, and the migrations."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import ColumnElement, Connection, Float, event, literal_column
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.sessions.domain.errors import StoreUnavailable

MIGRATIONS = Path(__file__).parent / "migrations"
_SQLITE_NOW = "((julianday('now') - 2440587.5) * 86400.0)"
_POSTGRES_NOW = "extract(epoch from clock_timestamp())::float8"


# What passes by itself: the server restarts, the file is locked, the disk is full.
AWAY = (OperationalError, InterfaceError, PoolTimeout, OSError)


@dataclass(frozen=True)
class Database:
    """`write`: one writer at a time on SQLite. `now`: the database's clock, seconds since 1970; no other one counts."""

    write: AsyncEngine
    read: AsyncEngine
    now: ColumnElement[float]
    locks_rows: bool

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with. Raises StoreUnavailable."""
        with _in_our_words():
            async with self.read.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction. Raises StoreUnavailable."""
        with _in_our_words():
            async with self.write.begin() as connection:
                yield connection

    async def dispose(self) -> None:
        """Closes all connections."""
        await self.write.dispose()
        await self.read.dispose()


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except AWAY as error:
        raise StoreUnavailable from error


def open_database(url: str) -> Database:
    """Engines for a SQLAlchemy URL (`sqlite+aiosqlite:///…` or `postgresql+psycopg://…`)."""
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    if url.startswith("sqlite"):
        write = _sqlite(url, "BEGIN IMMEDIATE", 1)
        return Database(write, _sqlite(url, "BEGIN", 8), literal_column(_SQLITE_NOW, Float), locks_rows=False)
    engine = create_async_engine(url, pool_size=10, max_overflow=10, pool_pre_ping=True, hide_parameters=True)
    return Database(engine, engine, literal_column(_POSTGRES_NOW, Float), locks_rows=True)


def _sqlite(url: str, begin: str, connections: int) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=connections, max_overflow=0, hide_parameters=True)

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        # The driver must not begin transactions by itself; the "begin" hook below does.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


async def migrate(database: Database) -> None:
    """Brings the tables to the newest version."""

    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with database.write.begin() as connection:
        if database.locks_rows:
            # Replicas that start together migrate one after the other.
            await connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7253001)")
        await connection.run_sync(upgrade)
