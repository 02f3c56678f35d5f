"""Reads durable events, a page at a time."""

from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned

LATEST = 2**31 - 1


async def list_events(
    ports: Ports, caller: str, session_id: str, after_seq: int, before_seq: int, limit: int
) -> tuple[list[bytes], int]:
    """Stored events in order, and the head of the log. With before_seq: the latest ones before it."""
    record = await owned(ports, caller, session_id)
    upto = before_seq - 1 if before_seq else LATEST
    after = max(after_seq, upto - limit) if before_seq else after_seq
    rows = await ports.store.read(session_id, after, upto, limit) if upto > after else []
    return [data for _, data in rows], max(record.seq, rows[-1][0] if rows else 0)
