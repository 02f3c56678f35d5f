"""CreateSnapshot."""

from services.sandbox.domain.models import Snapshot
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def create_snapshot(
    ports: Ports, user_id: str | None, sandbox_id: str, path: str, since_tree: str, epoch: int
) -> Snapshot:
    """Records the tree and compares it. Raises Fenced, TreeNotFound, SnapshotFailed, FileNotFound."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, epoch)
    return await (await ports.fleet.guest(sandbox)).snapshot(path, since_tree, epoch)
