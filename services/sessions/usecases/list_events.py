"""Reads durable events, a page at a time."""

from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned

LATEST = 2**31 - 1
# Events may be some hundred kilobytes each, and a message of gRPC holds 4 MiB.
PAGE_BYTES = 3 * 1024 * 1024
READ = 64


async def list_events(
    ports: Ports, caller: str, session_id: str, after_seq: int, before_seq: int, limit: int
) -> tuple[list[bytes], int]:
    """Stored events in order, and the head of the log. With before_seq: the latest ones before it.

    Fewer than `limit` where they would not fit into one message, but at least one if there is one.
    """
    record = await owned(ports, caller, session_id)
    if before_seq:
        page = await _latest(ports, session_id, after_seq, min(before_seq - 1, record.seq), limit)
    else:
        page = await _first(ports, session_id, after_seq, limit)
    return [data for _, data in page], max(record.seq, page[-1][0] if page else 0)


async def _first(ports: Ports, session_id: str, after: int, limit: int) -> list[tuple[int, bytes]]:
    page: list[tuple[int, bytes]] = []
    size = 0
    while len(page) < limit:
        wanted = min(READ, limit - len(page))
        rows = await ports.store.read(session_id, after, LATEST, wanted) if after < LATEST else []
        for row in rows:
            size += len(row[1])
            if page and size > PAGE_BYTES:
                return page
            page.append(row)
        if len(rows) < wanted:
            break
        after = rows[-1][0]
    return page


async def _latest(ports: Ports, session_id: str, after: int, upto: int, limit: int) -> list[tuple[int, bytes]]:
    page: list[tuple[int, bytes]] = []
    size = 0
    after = max(after, upto - limit)
    while upto > after:
        rows = await ports.store.read(session_id, max(after, upto - READ), upto, READ)
        for row in reversed(rows):
            size += len(row[1])
            if page and size > PAGE_BYTES:
                return page[::-1]
            page.append(row)
        upto -= READ
    return page[::-1]
