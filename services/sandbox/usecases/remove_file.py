"""RemoveFile."""

from services.sandbox.domain.files import Removed, RemoveOrder
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def remove_file(ports: Ports, user_id: str | None, sandbox_id: str, order: RemoveOrder) -> Removed:
    """Removes an entry. Raises Fenced, FolderNotEmpty, FileNotFound, PathOutsideWorkspace."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, order.epoch)
    return await (await ports.fleet.guest(sandbox)).files.remove(order)
