"""Removes a session with everything that belongs to it."""

import asyncio

from services.rpc import logs
from services.sessions.domain.work import ToolFailure
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned

log = logs.get_logger("lucid.sessions.delete")


async def delete_session(ports: Ports, caller: str, session_id: str) -> None:
    """The log goes first: from then on nobody can run it. Raises SessionNotFound."""
    record = await owned(ports, caller, session_id)
    await ports.store.delete(session_id)
    ports.signals.deleted(session_id)
    ends = (ports.forge.close_gate(record), ports.workspace.delete(record))
    for result in await asyncio.gather(*ends, return_exceptions=True):
        if isinstance(result, ToolFailure | ConnectionError):
            log.warning("left behind", extra={"session": session_id, "error": str(result)})
        elif isinstance(result, BaseException):
            raise result
