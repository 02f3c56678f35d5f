"""ListCheckpoints."""

from services.sandbox.domain.lifecycle import Checkpoint
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_sandbox


async def list_checkpoints(
    ports: Ports, user_id: str | None, sandbox_id: str, before: str, limit: int
) -> tuple[list[Checkpoint], bool]:
    """A page, newest first, and whether there are more. Raises SandboxNotFound."""
    await find_sandbox(ports, user_id, sandbox_id)
    found = await ports.lives.checkpoints(sandbox_id, limit + 1, before)
    return found[:limit], len(found) > limit
