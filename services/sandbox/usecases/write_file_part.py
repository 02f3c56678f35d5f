"""WriteFilePart."""

from services.sandbox.domain.files import UploadPart
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def write_file_part(ports: Ports, user_id: str | None, sandbox_id: str, order: UploadPart) -> int:
    """Keeps a part; how many bytes have come. Raises Fenced, UploadIncomplete, FileTooLarge, SandboxBusy."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, order.epoch)
    return await (await ports.fleet.guest(sandbox)).files.write_part(order)
