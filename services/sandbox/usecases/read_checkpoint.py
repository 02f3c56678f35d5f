"""ReadCheckpoint."""

from collections.abc import AsyncGenerator

from services.sandbox.domain.errors import CheckpointNotFound
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_sandbox

PART = 256 * 1024


async def read_checkpoint(
    ports: Ports, user_id: str | None, sandbox_id: str, checkpoint_id: str, offset: int
) -> AsyncGenerator[tuple[bytes, int], None]:
    """Parts, and the size of the whole. Raises SandboxNotFound, CheckpointNotFound."""
    await find_sandbox(ports, user_id, sandbox_id)
    size = await ports.shelf.size(sandbox_id, checkpoint_id)
    async for part in parts_of(ports, sandbox_id, checkpoint_id, offset):
        yield part, size


async def parts_of(ports: Ports, sandbox_id: str, checkpoint_id: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
    """The file from an offset on, part by part. Raises CheckpointNotFound."""
    size = await ports.shelf.size(sandbox_id, checkpoint_id)
    while offset < size:
        part = await ports.shelf.read(sandbox_id, checkpoint_id, offset, PART)
        if not part:
            raise CheckpointNotFound
        offset += len(part)
        yield part
