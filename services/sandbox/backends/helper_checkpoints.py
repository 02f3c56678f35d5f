"""The helper's calls about work that is saved outside, and about its rest."""

from collections.abc import AsyncGenerator, AsyncIterator

from services.sandbox.backends import guest_answers
from services.sandbox.backends.helper_commands import Line
from services.sandbox.domain.errors import CheckpointFailed
from services.sandbox.domain.lifecycle import Look, PackedWork, RestoredWork

LOOK_SECONDS = 10.0
CHECKPOINT_SECONDS = 600.0


class CheckpointCalls:
    """See ports.Guest."""

    async def look(self: Line) -> Look:
        """What is at work inside. Raises GuestLost, and HelperFailed for a helper of before that cannot tell."""
        fields, _ = await self._call({"op": "look"}, seconds=LOOK_SECONDS)
        return Look(tuple(fields["reasons"]), int(fields["processes"]), int(fields["ticks"]))

    async def checkpoint(self: Line, key: str, limit: int) -> PackedWork:
        """See ports.Guest."""
        fields, _ = await self._call({"op": "checkpoint", "id": key, "limit": limit}, seconds=CHECKPOINT_SECONDS)
        return guest_answers.packed_of(fields)

    async def read_checkpoint(self: Line, key: str, size: int) -> AsyncGenerator[bytes, None]:
        """See ports.Guest."""
        offset = 0
        while offset < size:
            _, data = await self._call({"op": "checkpoint_read", "id": key, "offset": offset})
            if not data:
                raise CheckpointFailed
            offset += len(data)
            yield data

    async def drop_checkpoint(self: Line, key: str) -> None:
        """See ports.Guest."""
        await self._call({"op": "checkpoint_drop", "id": key})

    async def restore_checkpoint(self: Line, key: str, epoch: int, parts: AsyncIterator[bytes]) -> RestoredWork:
        """See ports.Guest."""
        offset = 0
        async for part in parts:
            await self._call({"op": "checkpoint_write", "offset": offset}, part)
            offset += len(part)
        request = {"op": "restore_checkpoint", "id": key, "epoch": epoch}
        fields, _ = await self._call(request, seconds=CHECKPOINT_SECONDS)
        return guest_answers.restored_work_of(fields)
