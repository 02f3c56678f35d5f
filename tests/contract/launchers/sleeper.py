"""A sandbox whose service's clock is moved by the test, and what was told of it."""

import asyncio
import contextlib
import io
import json
import tarfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lucid.sandbox.v1 import lifecycle_pb2 as lpb
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.identity import service_metadata
from services.rpc.ids import new_id
from services.sandbox.client import SandboxClient
from tests.contract.launchers.conftest import KEY, Bench, running, settings_for

LIMITS = {"memory_limit": "256m", "pids_limit": 120, "look_every": 0.1}
OFF = {"pause_after": 0.0, "idle_timeout": 0.0, "retention": 0.0}


class MovedClock:
    """The real time, and what was added to it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def passes(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


class Sleeper(Bench):
    """A bench with a clock. Transitions are read by the service's own identity."""

    clock: MovedClock

    @property
    def internal(self) -> SandboxClient:
        return self.client.acting_as(service_metadata(KEY, ""))

    async def told(self) -> list[lpb.Transition]:
        answer = await self.internal.list_transitions(lpb.ListTransitionsRequest(limit=1000))
        return [each for each in answer.transitions if each.sandbox_id == self.sandbox_id]

    async def words(self) -> list[str]:
        return [lpb.Transition.What.Name(each.what).removeprefix("WHAT_") for each in await self.told()]

    async def until_told(self, *words: str) -> list[lpb.Transition]:
        """Waits until this is what was told, all of it."""
        for _ in range(400):
            if (found := await self.words()) == list(words):
                return await self.told()
            await asyncio.sleep(0.03)
        return pytest.fail(f"told: {found}, expected: {list(words)}")

    async def state(self) -> str:
        answer = await self.client.get_sandbox(pb.GetSandboxRequest(sandbox_id=self.sandbox_id))
        return pb.Sandbox.State.Name(answer.sandbox.state).removeprefix("STATE_")

    async def pause(self) -> bool:
        return (await self.client.pause_sandbox(lpb.PauseSandboxRequest(sandbox_id=self.sandbox_id))).paused

    async def hibernate(self) -> str:
        request = lpb.HibernateSandboxRequest(sandbox_id=self.sandbox_id)
        return (await self.client.hibernate_sandbox(request)).checkpoint_id

    async def save(self, request_id: str = "") -> lpb.Checkpoint:
        request = lpb.CreateCheckpointRequest(sandbox_id=self.sandbox_id, request_id=request_id)
        return (await self.client.create_checkpoint(request)).checkpoint

    async def saved(self) -> list[lpb.Checkpoint]:
        request = lpb.ListCheckpointsRequest(sandbox_id=self.sandbox_id)
        return list((await self.client.list_checkpoints(request)).checkpoints)

    async def archive(self, checkpoint_id: str, offset: int = 0) -> bytes:
        request = lpb.ReadCheckpointRequest(sandbox_id=self.sandbox_id, checkpoint_id=checkpoint_id, from_offset=offset)
        return b"".join([part.data async for part in self.client.read_checkpoint(request)])

    async def restore(self, checkpoint_id: str, key: str = "once", epoch: int = 0) -> lpb.RestoreCheckpointResponse:
        request = lpb.RestoreCheckpointRequest(
            sandbox_id=self.sandbox_id, checkpoint_id=checkpoint_id, restore_id=key, epoch=epoch
        )
        return await self.client.restore_checkpoint(request)


def parts_of(archive: bytes) -> dict[str, bytes]:
    """The files of a checkpoint."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        return {entry.name: opened.extractfile(entry).read() for entry in opened}  # type: ignore[union-attr]


def about(parts: dict[str, bytes]) -> dict[str, Any]:
    """What checkpoint.json says."""
    content: dict[str, Any] = json.loads(parts["checkpoint.json"])
    return content


@contextlib.asynccontextmanager
async def sleeper_on(backend: str, folder: Path, **changes: Any) -> AsyncIterator[Sleeper]:
    """A service with a ladder, and a sandbox that is removed at the end."""
    settings = settings_for(backend, folder, **{**LIMITS, **changes})
    clock = MovedClock()
    async with running(settings, clock) as client:
        sleeper = Sleeper(client, settings, new_id("sbx"))
        sleeper.clock = clock
        await sleeper.bring_up()
        try:
            yield sleeper
        finally:
            await sleeper.delete()
