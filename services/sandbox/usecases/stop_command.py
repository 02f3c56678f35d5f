"""StopCommand."""

from services.sandbox.domain.lifecycle import Life
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_sandbox


async def stop_command(ports: Ports, user_id: str | None, sandbox_id: str, command_id: str) -> int:
    """Ends a command, or all, with every process; how many that were. Raises SandboxNotFound, SandboxUnavailable."""
    sandbox = await find_sandbox(ports, user_id, sandbox_id)
    if sandbox.removed or sandbox.life in (Life.HIBERNATED, Life.EMPTIED):  # nothing runs; it is not woken for that
        return 0
    return await (await ports.fleet.guest(sandbox)).stop(command_id)
