"""ReadCommandLog."""

from services.sandbox.domain.commands import LogPart, LogQuery
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def read_command_log(ports: Ports, user_id: str | None, sandbox_id: str, query: LogQuery) -> LogPart:
    """A part of the kept output. Raises SandboxNotFound, SandboxUnavailable, CommandNotFound."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    return await (await ports.fleet.guest(sandbox)).read_command_log(query)
