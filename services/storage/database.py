"""A service's database, SQLite or Postgres: connections to read with, and transactions to write in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.storage.errors import tell_away
from services.storage.sqlite import READS, prepare_sqlite


class Database:
    """`url`: `sqlite+aiosqlite:///…` or `postgresql+psycopg://…`. Work with it raises StoreUnavailable."""

    def __init__(self, url: str) -> None:
        if url.startswith("sqlite"):
            self._engine = create_async_engine(url, hide_parameters=True)
            prepare_sqlite(self._engine.sync_engine)
        else:
            self._engine = create_async_engine(url, pool_pre_ping=True, hide_parameters=True)
        tell_away(self._engine.sync_engine)
        # SQLite has one writer, and those who wait for its lock get it by luck: a busy hour would leave some out.
        self._turn = asyncio.Lock() if url.startswith("sqlite") else None
        self._reads: AsyncEngine = self._engine.execution_options(**{READS: True})

    def connect(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection to read with; on SQLite it neither waits for the writer nor keeps it waiting."""
        return self._reads.connect()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction to write in, committed at the end of the block."""
        if self._turn is None:
            async with self._engine.begin() as connection:
                yield connection
            return
        async with self._turn, self._engine.begin() as connection:
            yield connection

    async def dispose(self) -> None:
        """Closes all connections."""
        await self._engine.dispose()
