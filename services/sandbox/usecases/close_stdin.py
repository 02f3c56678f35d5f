"""CloseStdin."""

from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def close_stdin(ports: Ports, user_id: str | None, sandbox_id: str, command_id: str, epoch: int) -> None:
    """Ends a command's input. Raises SandboxNotFound, Fenced, CommandNotFound."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, epoch)
    await (await ports.fleet.guest(sandbox)).close_stdin(command_id, epoch)
