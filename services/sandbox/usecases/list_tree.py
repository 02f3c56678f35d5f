"""ListTree."""

from services.sandbox.domain.models import Tree
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def list_tree(
    ports: Ports, user_id: str | None, sandbox_id: str, path: str, depth: int, max_entries: int
) -> Tree:
    """Files of the workspace. Raises SandboxNotFound, SandboxUnavailable, PathOutsideWorkspace, FileNotFound."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    return await (await ports.fleet.guest(sandbox)).list_tree(path, depth, max_entries)
