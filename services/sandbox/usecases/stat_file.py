"""StatFile."""

from services.sandbox.domain.files import FileInfo
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def stat_file(
    ports: Ports, user_id: str | None, sandbox_id: str, path: str, follow: bool, with_etag: bool
) -> FileInfo:
    """What is known of an entry. Raises PathOutsideWorkspace, FileNotFound."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    return await (await ports.fleet.guest(sandbox)).files.stat(path, follow, with_etag)
