"""ConnectionStore in SQL."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from services.integrations.domain.models import Connection, SealedToken
from services.integrations.store.tables import connections as table
from services.storage.database import Database


def as_utc(value: datetime) -> datetime:
    """SQLite gives times back without their zone; all of ours are UTC."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class SqlConnectionStore:
    """Connected accounts, one per user and provider."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, user_id: str) -> Sequence[Connection]:
        """The user's connections, by provider."""
        query = select(table).where(table.c.user_id == user_id).order_by(table.c.provider)
        async with self._database.connect() as database:
            return [_connection(row) for row in await database.execute(query)]

    async def find(self, user_id: str, provider: str) -> tuple[Connection, SealedToken] | None:
        """One connection with its sealed token."""
        query = select(table).where(table.c.user_id == user_id, table.c.provider == provider)
        async with self._database.connect() as database:
            row = (await database.execute(query)).one_or_none()
        return None if row is None else (_connection(row), SealedToken(row.sealed_token, row.iv))

    async def save(self, connection: Connection, token: SealedToken) -> Connection:
        """Keeps it in place of the one before; an existing connection keeps its id."""
        mine = (table.c.user_id == connection.user_id, table.c.provider == connection.provider)
        values = _values(connection, token)
        async with self._database.begin() as database:
            known = (await database.execute(select(table.c.connection_id).where(*mine).with_for_update())).scalar()
            if known is None:
                await database.execute(insert(table).values(connection_id=connection.connection_id, **values))
            else:
                await database.execute(update(table).where(*mine).values(**values))
            row = (await database.execute(select(table).where(*mine))).one()
        return _connection(row)

    async def reseal(self, user_id: str, provider: str, old: SealedToken, new: SealedToken) -> None:
        """Replaces the sealed form if it is still `old`."""
        where = (table.c.user_id == user_id, table.c.provider == provider, table.c.sealed_token == old.value)
        async with self._database.begin() as database:
            await database.execute(update(table).where(*where).values(sealed_token=new.value, iv=new.iv))

    async def delete(self, user_id: str, provider: str) -> bool:
        """False if there was none."""
        query = delete(table).where(table.c.user_id == user_id, table.c.provider == provider)
        async with self._database.begin() as database:
            return (await database.execute(query)).rowcount > 0


def _values(connection: Connection, token: SealedToken) -> dict[str, Any]:
    return {
        "user_id": connection.user_id,
        "provider": connection.provider,
        "label": connection.label,
        "username": connection.username,
        "scopes": ",".join(connection.scopes),
        "token_hint": connection.token_hint,
        "base_url": connection.base_url,
        "sealed_token": token.value,
        "iv": token.iv,
        "create_time": connection.create_time,
    }


def _connection(row: Row[Any]) -> Connection:
    return Connection(
        connection_id=row.connection_id,
        user_id=row.user_id,
        provider=row.provider,
        label=row.label,
        username=row.username,
        scopes=tuple(scope for scope in row.scopes.split(",") if scope),
        token_hint=row.token_hint,
        base_url=row.base_url,
        create_time=as_utc(row.create_time),
    )
