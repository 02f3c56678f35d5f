"""What people have set for their sessions on a repository."""

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.sessions.domain.environment import Environment
from services.sessions.domain.models import Repository
from services.sessions.store.database import Database
from services.sessions.store.rows import from_environment, to_environment
from services.sessions.store.tables import environments


async def get(database: Database, owner_id: str, repository: Repository) -> Environment:
    """NOTHING where nothing was set."""
    query = select(environments.c.environment).where(_is(owner_id, repository))
    return to_environment(await database.read(lambda connection: str(connection.execute(query).scalar() or "")))


async def save(database: Database, owner_id: str, repository: Repository, wanted: Environment) -> None:
    """In place of what was set; NOTHING removes it."""
    which, stored = _is(owner_id, repository), from_environment(wanted)
    row = {"owner_id": owner_id, "provider": repository.provider, "full_name": repository.full_name}

    def work(connection: Connection) -> None:
        if not stored:
            connection.execute(delete(environments).where(which))
        elif not connection.execute(update(environments).where(which).values(environment=stored)).rowcount:
            connection.execute(insert(environments).values(environment=stored, **row))

    try:
        await database.write(work)
    except IntegrityError:  # the first time twice at once: now there is one to change
        await database.write(work)


def _is(owner_id: str, repository: Repository) -> ColumnElement[bool]:
    return and_(
        environments.c.owner_id == owner_id,
        environments.c.provider == repository.provider,
        environments.c.full_name == repository.full_name,
    )
