"""WriteTerminal."""

from services.sandbox.domain.terminals import Typing
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def write_terminal(ports: Ports, user_id: str | None, sandbox_id: str, typing: Typing) -> int:
    """This writer's bytes accepted so far. Raises SandboxNotFound, TerminalNotFound, InputClosed, InputGap."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    return await (await ports.fleet.guest(sandbox)).write_terminal(typing)
