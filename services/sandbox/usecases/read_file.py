"""ReadFile."""

from services.sandbox.domain.models import FileRange
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def read_file(
    ports: Ports, user_id: str | None, sandbox_id: str, path: str, offset: int, limit: int
) -> FileRange:
    """A range of a file. Raises what FileRange's guest raises: PathOutsideWorkspace, FileNotFound, NotAFile."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    return await (await ports.fleet.guest(sandbox)).read_file(path, offset, limit)
