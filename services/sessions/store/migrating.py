"""Brings the tables to the newest version."""

from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from services.sessions.store.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version_sessions"


async def migrate(database: Database) -> None:
    """Raises StoreUnavailable. Tables that are up to date cost one look: the migrations' library is large."""
    if await database.read(_version) != _newest():
        await database.write(_upgrade)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar()


def _newest() -> str:
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "postgresql":
        # Replicas that start together migrate one after the other.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7253001)")
    else:
        # Begins our transaction, before the library looks for one.
        connection.exec_driver_sql("SELECT 1")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
