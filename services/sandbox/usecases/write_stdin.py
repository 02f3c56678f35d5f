"""WriteStdin."""

from services.sandbox.domain.commands import InputOrder
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def write_stdin(ports: Ports, user_id: str | None, sandbox_id: str, order: InputOrder) -> int:
    """Bytes accepted so far. Raises SandboxNotFound, Fenced, CommandNotFound, InputClosed, InputGap."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, order.epoch)
    return await (await ports.fleet.guest(sandbox)).write_stdin(order)
