"""How far this service has read what other services tell in order; all replicas go on from there."""

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.sessions.store.database import Database
from services.sessions.store.tables import cursors


async def get(database: Database, name: str) -> int:
    """The last number that was dealt with; 0 at the beginning."""
    query = select(cursors.c.number).where(cursors.c.name == name)
    return int(await database.read(lambda connection: connection.execute(query).scalar_one_or_none()) or 0)


async def move(database: Database, name: str, before: int, number: int) -> None:
    """Goes on from where it was; nothing where another replica has moved it since."""
    moved = update(cursors).where(cursors.c.name == name, cursors.c.number == before).values(number=number)

    def work(connection: Connection) -> None:
        if not connection.execute(moved).rowcount and not before:
            connection.execute(insert(cursors).values(name=name, number=number))

    try:
        await database.write(work)
    except IntegrityError:  # another replica was faster
        return
