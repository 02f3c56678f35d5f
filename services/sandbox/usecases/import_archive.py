"""ImportArchive."""

from services.sandbox.domain.files import Unpacked, UnpackOrder
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def import_archive(ports: Ports, user_id: str | None, sandbox_id: str, order: UnpackOrder) -> Unpacked:
    """Unpacks an archive. Raises Fenced, ArchiveUnsafe, ArchiveBroken, ArchiveTooLarge, FileExists."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, order.epoch)
    return await (await ports.fleet.guest(sandbox)).files.unpack(order)
