"""MoveFile."""

from services.sandbox.domain.files import Moved, MoveOrder
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def move_file(ports: Ports, user_id: str | None, sandbox_id: str, order: MoveOrder) -> Moved:
    """Moves an entry in one step. Raises Fenced, FileExists, FileNotFound, PathOutsideWorkspace."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, order.epoch)
    return await (await ports.fleet.guest(sandbox)).files.move(order)
