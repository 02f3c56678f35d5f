"""Reads a session's whole log, page by page."""

from collections.abc import AsyncGenerator

from services.sessions.domain.errors import SessionNotFound
from services.sessions.domain.models import SessionRecord
from services.sessions.ports import Ports

# Events may be some hundred kilobytes each: this bounds what one export holds in memory.
PAGE = 64


async def export_session(ports: Ports, record: SessionRecord) -> AsyncGenerator[tuple[int, bytes], None]:
    """(seq, stored bytes) from the first event to the head as the record has it; nothing is held between the pages.

    Raises SessionNotFound if the session is deleted meanwhile: a part of a log is no log.
    """
    seq = 0
    while seq < record.seq:
        rows = await ports.store.read(record.session_id, seq, record.seq, PAGE)
        if not rows:
            raise SessionNotFound(session_id=record.session_id)
        for seq, data in rows:
            yield seq, data
