"""RestoreSnapshot."""

from services.sandbox.domain.models import Restored, RestoreOrder
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def restore_snapshot(ports: Ports, user_id: str | None, sandbox_id: str, order: RestoreOrder) -> Restored:
    """Makes the files those of a tree, once for the key. Raises Fenced, TreeNotFound, SnapshotFailed, DiskFull."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, order.epoch)
    return await (await ports.fleet.guest(sandbox)).restore_snapshot(order)
