"""ExportArchive."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.sandbox.domain.files import Packed
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def export_archive(
    ports: Ports, user_id: str | None, sandbox_id: str, path: str, leave_out_made: bool
) -> AsyncGenerator[bytes | Packed, None]:
    """A folder as an archive, then how much was packed. Raises ArchiveTooLarge, FileNotFound."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    guest = await ports.fleet.guest(sandbox)
    async with aclosing(guest.files.pack(path, leave_out_made)) as frames:
        async for frame in frames:
            yield frame
