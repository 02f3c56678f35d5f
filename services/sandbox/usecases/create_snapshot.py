"""CreateSnapshot."""

from services.sandbox.domain.models import Snapshot, SnapshotOrder
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def create_snapshot(ports: Ports, user_id: str | None, sandbox_id: str, order: SnapshotOrder) -> Snapshot:
    """Records the tree and compares it. Raises Fenced, TreeNotFound, SnapshotFailed, FileNotFound, DiskFull."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, order.epoch)
    return await (await ports.fleet.guest(sandbox)).snapshot(order)
