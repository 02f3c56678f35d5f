"""ListTree."""

from services.sandbox.domain.files import TreeOrder
from services.sandbox.domain.models import Tree
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def list_tree(ports: Ports, user_id: str | None, sandbox_id: str, order: TreeOrder) -> Tree:
    """A page of the tree. Raises SandboxNotFound, SandboxUnavailable, PathOutsideWorkspace, FileNotFound."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    return await (await ports.fleet.guest(sandbox)).files.list_tree(order)
