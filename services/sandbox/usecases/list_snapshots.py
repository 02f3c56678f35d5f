"""ListSnapshots."""

from services.sandbox.domain.models import RecordedTree
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def list_snapshots(
    ports: Ports, user_id: str | None, sandbox_id: str, path: str, size: int, before: int
) -> tuple[list[RecordedTree], int]:
    """What was recorded, the newest first, and the number to go on below (0 at the end). Raises FileNotFound."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    return await (await ports.fleet.guest(sandbox)).list_snapshots(path, size, before)
