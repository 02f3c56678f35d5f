"""DownloadFile."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.sandbox.domain.files import DownloadOrder, FileInfo
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def download_file(
    ports: Ports, user_id: str | None, sandbox_id: str, order: DownloadOrder
) -> AsyncGenerator[FileInfo | bytes, None]:
    """What the file is, then its bytes. Raises FileChanged, NotAFile, FileNotFound, PathOutsideWorkspace."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    guest = await ports.fleet.guest(sandbox)
    async with aclosing(guest.files.download(order)) as frames:
        async for frame in frames:
            yield frame
