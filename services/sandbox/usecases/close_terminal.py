"""CloseTerminal."""

from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_sandbox


async def close_terminal(ports: Ports, user_id: str | None, sandbox_id: str, terminal_id: str) -> None:
    """Ends it with what runs in it; one that is not there has ended. Raises SandboxNotFound, SandboxUnavailable."""
    sandbox = await find_sandbox(ports, user_id, sandbox_id)
    if not sandbox.removed:
        await (await ports.fleet.guest(sandbox)).close_terminal(terminal_id)
