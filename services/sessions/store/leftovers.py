"""What deleted sessions may have left behind: remembered with the deletion itself, forgotten once it is surely gone."""

from sqlalchemy import Connection, Float, case, cast, delete, insert, literal, select, update

from services.sessions.domain.models import Leftover
from services.sessions.store.database import Database
from services.sessions.store.tables import leftovers, sessions

# By then an owner that did not hear of the deletion has lost its lease, and what it had asked for last has come.
SETTLED_SECONDS = 60.0
FIRST_RETRY_SECONDS = 15.0
RETRIES_DOUBLED = 6


def remember(connection: Connection, database: Database, session_id: str) -> None:
    """Part of the transaction that deletes the session; nothing for a session that is not there."""
    due = cast(database.now + SETTLED_SECONDS, Float)
    columns = [sessions.c.session_id, sessions.c.owner_id, sessions.c.sandbox_id, literal(0), due]
    row = select(*columns).where(sessions.c.session_id == session_id)
    names = ["session_id", "owner_id", "sandbox_id", "attempts", "due_at"]
    connection.execute(insert(leftovers).from_select(names, row))


async def take_due(database: Database, limit: int) -> list[Leftover]:
    """Those to look at now. Each comes again after a pause that grows, unless it is forgotten."""
    due = select(leftovers.c.session_id).where(leftovers.c.due_at <= database.now).limit(limit)
    # A read first: on SQLite every write transaction holds up the log's writer.
    if await database.read(lambda connection: connection.execute(due.limit(1)).first()) is None:
        return []
    if database.locks_rows:
        due = due.with_for_update(skip_locked=True)
    pause = case(
        *((leftovers.c.attempts == n, FIRST_RETRY_SECONDS * 2**n) for n in range(RETRIES_DOUBLED)),
        else_=FIRST_RETRY_SECONDS * 2**RETRIES_DOUBLED,
    )
    taken = (
        update(leftovers)
        .where(leftovers.c.session_id.in_(due.scalar_subquery()))
        .values(attempts=leftovers.c.attempts + 1, due_at=database.now + pause)
        .returning(leftovers.c.session_id, leftovers.c.owner_id, leftovers.c.sandbox_id)
    )
    rows = await database.write(lambda connection: connection.execute(taken).all())
    return [Leftover(*row) for row in rows]


async def forget(database: Database, session_id: str) -> None:
    """It is surely gone."""
    gone = delete(leftovers).where(leftovers.c.session_id == session_id)
    await database.write(lambda connection: connection.execute(gone).rowcount)
