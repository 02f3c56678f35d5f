"""SignalCommand."""

from services.sandbox.domain.commands import SignalOrder
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def signal_command(ports: Ports, user_id: str | None, sandbox_id: str, order: SignalOrder) -> int:
    """How many processes got it. Raises SandboxNotFound, Fenced, CommandNotFound."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, order.epoch)
    return await (await ports.fleet.guest(sandbox)).signal_command(order)
