"""Sends what a session, or one step of it, has changed as a patch."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.sessions.domain.work import DiffForm
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned
from services.sessions.usecases.trees import from_sandbox, span_of, workdir


async def get_session_patch(
    ports: Ports, caller: str, session_id: str, seq: int, one_file: bool
) -> AsyncGenerator[bytes, None]:
    """The patch in parts; nothing where nothing was changed. Raises as get_session_diff."""
    record = await owned(ports, caller, session_id)
    span = await span_of(ports, record, seq)
    if span is None:
        return
    paths = [name.encode() for name in span.paths] if one_file else []
    with from_sandbox():
        diff = ports.workspace.diff(record, workdir(record), span.before, span.after, paths, DiffForm.PATCH)
        async with aclosing(diff) as parts:
            async for part in parts:
                if isinstance(part, bytes):
                    yield part
