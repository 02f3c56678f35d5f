"""SQLite and Postgres behind one small interface: work on a connection, in a transaction or only to read.

Work is a plain function on a synchronous connection. On SQLite it runs in a thread, all of it in one hop: a statement
at a time would pay for two changes of thread each. On Postgres it runs on the loop, waiting where the driver waits.
"""

import asyncio
import functools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Protocol, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Float, create_engine, literal_column
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.sessions.domain.errors import StoreUnavailable
from services.storage.sqlite import prepare_sqlite

_SQLITE_NOW = "((julianday('now') - 2440587.5) * 86400.0)"
_POSTGRES_NOW = "extract(epoch from clock_timestamp())::float8"
READERS = 4
# A process that stops in the middle of a transaction holds its rows no longer than this; a lease is longer.
_POSTGRES_IDLE_IN_TRANSACTION_MS = 2000
# What passes by itself: the server restarts, the file is locked, the disk is full.
AWAY = (OperationalError, InterfaceError, InternalError, PoolTimeout, OSError)

T = TypeVar("T")
Work = Callable[[Connection], T]


class Transaction(Protocol):
    """A transaction that is open over several steps. Left without a commit it is rolled back."""

    async def run(self, work: Work[T]) -> T:
        """A step inside it."""

    async def commit(self, work: Work[T]) -> T:
        """The last step, and the commit."""


class Database(ABC):
    """`now`: the database's clock, seconds since 1970; no other one counts. `locks_rows`: several may write at once."""

    now: ColumnElement[float]
    locks_rows: bool

    async def read(self, work: Work[T]) -> T:
        """Answers what the work finds. Raises StoreUnavailable."""
        with _in_our_words():
            return await self._read(work)

    async def write(self, work: Work[T]) -> T:
        """Does the work in one transaction; a caller that goes away does not undo it. Raises StoreUnavailable."""
        with _in_our_words():
            return await asyncio.shield(asyncio.ensure_future(self._write(work)))

    async def _write(self, work: Work[T]) -> T:
        async with self.transaction() as transaction:
            return await transaction.commit(work)

    @abstractmethod
    async def _read(self, work: Work[T]) -> T: ...

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction of several steps, not to be cancelled between them. Raises what the driver raises."""

    @abstractmethod
    async def dispose(self) -> None:
        """Closes all connections."""


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except AWAY as error:
        raise StoreUnavailable from error


def open_database(url: str) -> Database:
    """The database of a SQLAlchemy URL (`sqlite:///…` or `postgresql://…`; a driver's name may stand in it)."""
    if url.startswith("sqlite"):
        return Sqlite("sqlite:" + url.partition(":")[2])
    return Postgres(url.replace("postgresql://", "postgresql+psycopg://", 1))


class Sqlite(Database):
    """One file. One thread writes, a few read."""

    locks_rows = False

    def __init__(self, url: str) -> None:
        self.now = literal_column(_SQLITE_NOW, Float)
        self._writer = _sqlite_engine(url, "BEGIN IMMEDIATE", 1)
        self._reader = _sqlite_engine(url, "", READERS)
        self._writing = ThreadPoolExecutor(1, "sessions-write")
        self._reading = ThreadPoolExecutor(READERS, "sessions-read")
        self._turn = asyncio.Lock()

    async def _read(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._look, work)

    def _look(self, work: Work[T]) -> T:
        with self._reader.connect() as connection:
            return work(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """See Database. One after another: SQLite has one writer."""
        async with self._turn:
            transaction = _InThread(self._writer, self._writing)
            try:
                yield transaction
            finally:
                await transaction.close()

    async def dispose(self) -> None:
        """Closes all connections."""
        await asyncio.get_running_loop().run_in_executor(self._writing, self._writer.dispose)
        self._reader.dispose()
        self._writing.shutdown(wait=False)
        self._reading.shutdown(wait=False)


class _InThread:
    """A transaction whose steps run in the writing thread."""

    def __init__(self, engine: Engine, thread: ThreadPoolExecutor) -> None:
        self._engine = engine
        self._thread = thread
        self._connection: Connection | None = None

    async def run(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._step, work)

    async def commit(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._last, work)

    def _step(self, work: Work[T]) -> T:
        if self._connection is None:
            self._connection = self._engine.connect()
        return work(self._connection)

    def _last(self, work: Work[T]) -> T:
        try:
            answer = self._step(work)
            assert self._connection is not None
            self._connection.commit()
            return answer
        finally:
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()  # rolls back what was not committed

    async def close(self) -> None:
        if self._connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)


def _sqlite_engine(url: str, begin: str, connections: int) -> Engine:
    """`begin`: how a transaction begins; empty: each statement stands for itself."""
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"check_same_thread": False},
    )
    prepare_sqlite(engine, begin)
    return engine


class Postgres(Database):
    """A server."""

    locks_rows = True

    def __init__(self, url: str) -> None:
        self.now = literal_column(_POSTGRES_NOW, Float)
        self._engine = create_async_engine(
            url,
            pool_size=10,
            max_overflow=10,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"options": f"-c idle_in_transaction_session_timeout={_POSTGRES_IDLE_IN_TRANSACTION_MS}"},
        )
        self._reader: AsyncEngine = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def _read(self, work: Work[T]) -> T:
        async with self._reader.connect() as connection:
            return await connection.run_sync(work)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """See Database."""
        async with self._engine.connect() as connection:
            yield _OnLoop(connection)

    async def dispose(self) -> None:
        """Closes all connections."""
        await self._engine.dispose()


class _OnLoop:
    """A transaction whose steps run on the loop."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def run(self, work: Work[T]) -> T:
        return await self._connection.run_sync(work)

    async def commit(self, work: Work[T]) -> T:
        return await self._connection.run_sync(functools.partial(_and_commit, work))


def _and_commit(work: Work[T], connection: Connection) -> T:
    answer = work(connection)
    connection.commit()
    return answer
