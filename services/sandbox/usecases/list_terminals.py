"""ListTerminals."""

from services.sandbox.domain.terminals import TerminalView
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def list_terminals(ports: Ports, user_id: str | None, sandbox_id: str) -> tuple[TerminalView, ...]:
    """Those that are open. Raises SandboxNotFound, SandboxUnavailable."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    return await (await ports.fleet.guest(sandbox)).list_terminals()
