"""Brings a service's tables to the newest version."""

import hashlib
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table


def upgrade(connection: Connection, folder: Path, version_table: str) -> None:
    """Runs what is missing of the migrations in `folder/versions`, whose files begin with their version.

    Safe to repeat, and from replicas that start together: they go one after the other. Tables that are up to date cost
    one look; the migrations' library, which is large, is loaded only where there is work for it.
    """
    if _version(connection, version_table) == _newest(folder):
        return
    if connection.dialect.name == "postgresql":
        lock = int.from_bytes(hashlib.sha256(version_table.encode()).digest()[:7], "big")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({lock})")
    _run(connection, folder)


def _version(connection: Connection, version_table: str) -> str | None:
    if not inspect(connection).has_table(version_table):
        return None
    return connection.execute(select(column("version_num")).select_from(table(version_table))).scalar()


def _newest(folder: Path) -> str:
    return max(path.name.partition("_")[0] for path in (folder / "versions").glob("[0-9]*.py"))


def _run(connection: Connection, folder: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
