"""Removes a session with everything that belongs to it."""

from services.sessions.agent.leftovers import remove
from services.sessions.domain.models import Leftover
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned


async def delete_session(ports: Ports, caller: str, session_id: str) -> None:
    """The log goes first: from then on nobody can run it. Gate and sandbox that cannot be removed now are remembered
    with it and removed later. Raises SessionNotFound."""
    record = await owned(ports, caller, session_id)
    await ports.store.delete(session_id)
    ports.signals.deleted(session_id)
    await remove(ports, Leftover(session_id, record.owner_id, record.sandbox_id))
