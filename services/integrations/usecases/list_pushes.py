"""Lists what a session has pushed."""

from collections.abc import Sequence

from services.integrations.domain.models import Push
from services.integrations.ports import Ports


async def list_pushes(ports: Ports, session_id: str, after_number: int) -> Sequence[Push]:
    """In order."""
    return await ports.gates.pushes(session_id, after_number)
