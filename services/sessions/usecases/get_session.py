"""Reads one session."""

from services.sessions.domain.models import SessionRecord
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned


async def get_session(ports: Ports, caller: str, session_id: str) -> SessionRecord:
    """Raises SessionNotFound."""
    return await owned(ports, caller, session_id)
