"""WriteFile."""

from services.sandbox.domain.files import WriteOrder, Written
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def write_file(ports: Ports, user_id: str | None, sandbox_id: str, order: WriteOrder) -> Written:
    """Writes a file once for its key. Raises Fenced, FileChanged, UploadIncomplete, NotAFile."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, order.epoch)
    return await (await ports.fleet.guest(sandbox)).files.write(order)
