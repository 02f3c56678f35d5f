"""SQLite as a server's database: durable, one writer, readers that do not wait for it."""

from typing import Any

from sqlalchemy import Connection, Engine, event

# An engine's execution option: its connections only read, and begin nothing.
READS = "reads"
BUSY_MILLISECONDS = 10_000
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_MILLISECONDS}",
)


def prepare_sqlite(engine: Engine, begin: str = "BEGIN IMMEDIATE") -> None:
    """Sets up each connection of the engine. `begin`: how a transaction begins; empty: a statement stands for itself.

    The default takes the write lock at once: a transaction that reads first could not get it any more later.
    """
    event.listen(engine, "connect", _on_connect)
    if begin:

        def on_begin(connection: Connection) -> None:
            if not connection.get_execution_options().get(READS):
                connection.exec_driver_sql(begin)

        event.listen(engine, "begin", on_begin)


def _on_connect(connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself; the "begin" hook does.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()
