"""Checkpoints of a sandbox, as they were put here."""

from collections.abc import AsyncIterator
from typing import Any

from lucid.sandbox.v1 import lifecycle_pb2 as lpb

from services.sandbox.domain.errors import CheckpointNotFound


class FakeCheckpoints:
    """Part of a sandbox service; `own_checkpoints` refuses what is somebody else's."""

    def __init__(self) -> None:
        super().__init__()
        self.checkpoints: list[lpb.Checkpoint] = []
        self.archives: dict[str, bytes] = {}

    def own_checkpoints(self, method: str, request: Any, context: Any) -> None:
        self._own(self.enter(method, request, context), request.sandbox_id)  # type: ignore[attr-defined]

    async def ListCheckpoints(self, request: lpb.ListCheckpointsRequest, context: Any) -> lpb.ListCheckpointsResponse:
        self.own_checkpoints("ListCheckpoints", request, context)
        return lpb.ListCheckpointsResponse(checkpoints=self.checkpoints)

    async def ReadCheckpoint(
        self, request: lpb.ReadCheckpointRequest, context: Any
    ) -> AsyncIterator[lpb.ReadCheckpointResponse]:
        self.own_checkpoints("ReadCheckpoint", request, context)
        if request.checkpoint_id not in self.archives:
            raise CheckpointNotFound
        whole = self.archives[request.checkpoint_id]
        for at in range(request.from_offset, len(whole), 3):
            yield lpb.ReadCheckpointResponse(data=whole[at : at + 3], size=len(whole))
