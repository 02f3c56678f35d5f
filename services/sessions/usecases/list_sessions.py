"""Lists the caller's sessions."""

from services.sessions.domain.models import SessionRecord
from services.sessions.ports import Ports


async def list_sessions(
    ports: Ports, caller: str, before: tuple[float, str] | None, limit: int, query: str
) -> tuple[list[SessionRecord], tuple[float, str] | None]:
    """A page, most recently changed first, and where the next one begins (None: there is none)."""
    records = await ports.store.list_sessions(caller, before, limit + 1, query)
    page = records[:limit]
    more = len(records) > limit
    return page, (page[-1].update_time, page[-1].session_id) if more else None
