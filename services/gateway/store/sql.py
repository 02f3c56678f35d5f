"""People and their sign-ins in SQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain.models import Account, SignIn, User
from services.gateway.store.tables import sign_ins, users
from services.rpc.ids import new_id
from services.storage.database import Database


class SqlAccountStore:
    """The port AccountStore on SQLite and Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure_user(self, account: Account) -> User:
        """One row per address, also for two that come at once."""
        async with self._database.begin() as connection:
            now = await _now(connection)
            row = {"user_id": new_id("usr"), "email": account.email, "name": account.name, "created_at": now}
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            await connection.execute(dialect.insert(users).values(row).on_conflict_do_nothing(index_elements=["email"]))
            found = (await connection.execute(select(users).where(users.c.email == account.email))).one()
        return _user(found)

    async def find_user(self, user_id: str) -> User | None:
        """By id."""
        async with self._database.connect() as connection:
            found = (await connection.execute(select(users).where(users.c.user_id == user_id))).one_or_none()
        return None if found is None else _user(found)

    async def add_sign_in(self, secret_hash: str, user_id: str, ttl_seconds: int) -> SignIn:
        """Also drops what has lapsed: the table holds live sign-ins only."""
        async with self._database.begin() as connection:
            now = await _now(connection)
            expires = now + timedelta(seconds=ttl_seconds)
            await connection.execute(delete(sign_ins).where(sign_ins.c.expires_at <= now))
            row = {"secret_hash": secret_hash, "user_id": user_id, "created_at": now, "expires_at": expires}
            await connection.execute(insert(sign_ins).values(row))
        return SignIn(secret_hash=secret_hash, user_id=user_id, expires=expires)

    async def find_sign_in(self, secret_hash: str) -> SignIn | None:
        """Only while it is good."""
        async with self._database.connect() as connection:
            now = _clock(connection)
            query = select(sign_ins, now.label("now")).where(sign_ins.c.secret_hash == secret_hash)
            found = (await connection.execute(query)).one_or_none()
        if found is None or _utc(found.expires_at) <= _utc(found.now):
            return None
        return SignIn(secret_hash=found.secret_hash, user_id=found.user_id, expires=_utc(found.expires_at))

    async def remove_sign_in(self, secret_hash: str) -> None:
        """For good."""
        async with self._database.begin() as connection:
            await connection.execute(delete(sign_ins).where(sign_ins.c.secret_hash == secret_hash))


def _clock(connection: AsyncConnection) -> ColumnElement[Any]:
    """The database's clock: the only one that counts."""
    if connection.dialect.name == "postgresql":
        return func.clock_timestamp()
    return literal_column("strftime('%Y-%m-%d %H:%M:%f000', 'now')")


async def _now(connection: AsyncConnection) -> datetime:
    return _utc((await connection.execute(select(_clock(connection)))).scalar_one())


def _utc(value: str | datetime) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _user(row: Row[Any]) -> User:
    return User(user_id=row.user_id, email=row.email, name=row.name)
