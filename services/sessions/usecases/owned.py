"""The one check of ownership: absent and somebody else's look the same."""

from services.sessions.domain.errors import SessionNotFound
from services.sessions.domain.models import SessionRecord
from services.sessions.ports import Ports


async def owned(ports: Ports, caller: str, session_id: str) -> SessionRecord:
    """The caller's session. Raises SessionNotFound."""
    if "\0" in session_id:
        # No id of ours, and no database takes it.
        raise SessionNotFound(session_id="")
    record = await ports.store.get(session_id)
    if record.owner_id != caller:
        raise SessionNotFound(session_id=session_id)
    return record
