"""DiffSnapshots."""

import contextlib
from collections.abc import AsyncGenerator

from services.sandbox.domain.models import DiffOrder, DiffPart
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def diff_snapshots(
    ports: Ports, user_id: str | None, sandbox_id: str, order: DiffOrder
) -> AsyncGenerator[DiffPart, None]:
    """What is different between two trees, in parts; the totals last. Raises TreeNotFound, SnapshotFailed."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    guest = await ports.fleet.guest(sandbox)
    async with contextlib.aclosing(guest.diff_snapshots(order)) as parts:
        async for part in parts:
            yield part
