"""MakeDirectory."""

from services.sandbox.domain.files import ChangeOrder, Made
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def make_directory(ports: Ports, user_id: str | None, sandbox_id: str, order: ChangeOrder) -> Made:
    """Makes a folder, and those above it. Raises Fenced, FileExists, PathOutsideWorkspace."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, order.epoch)
    return await (await ports.fleet.guest(sandbox)).files.make_directory(order)
