"""ResizeTerminal."""

from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def resize_terminal(
    ports: Ports, user_id: str | None, sandbox_id: str, terminal_id: str, columns: int, rows: int
) -> None:
    """Changes its size. Raises SandboxNotFound, SandboxUnavailable, TerminalNotFound."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await (await ports.fleet.guest(sandbox)).resize_terminal(terminal_id, columns, rows)
