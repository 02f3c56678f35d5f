"""Follows a session."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from lucid.sessions.v1.event_pb2 import ItemCursor

from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned


async def watch_events(
    ports: Ports,
    caller: str,
    session_id: str,
    epoch: int,
    after_seq: int,
    items: Sequence[ItemCursor],
    last_n: int,
    durable_only: bool,
) -> AsyncGenerator[bytes, None]:
    """Serialised answers, without a gap and nothing twice. Raises SessionNotFound, CursorBeyondEnd, Resync."""
    await owned(ports, caller, session_id)
    async with aclosing(ports.live.watch(session_id, epoch, after_seq, items, last_n, durable_only)) as answers:
        async for answer in answers:
            yield answer
