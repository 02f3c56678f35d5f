"""What becomes of a sandbox that nobody uses, and what is kept of its work."""

import contextlib
from collections.abc import AsyncIterator

from lucid.sandbox.v1 import lifecycle_pb2 as lpb

from services.rpc.paging import decode_token, encode_token, page_size
from services.sandbox.convert import lifecycle
from services.sandbox.ports import Ports
from services.sandbox.servicer.caller import Context, user_id
from services.sandbox.usecases.create_checkpoint import create_checkpoint
from services.sandbox.usecases.hibernate_sandbox import hibernate_sandbox
from services.sandbox.usecases.keep_alive import keep_alive
from services.sandbox.usecases.list_checkpoints import list_checkpoints
from services.sandbox.usecases.list_transitions import list_transitions
from services.sandbox.usecases.pause_sandbox import pause_sandbox
from services.sandbox.usecases.read_checkpoint import read_checkpoint
from services.sandbox.usecases.restart_sandbox import restart_sandbox
from services.sandbox.usecases.restore_checkpoint import restore_checkpoint
from services.sandbox.usecases.resume_sandbox import resume_sandbox


class LifecycleRpcs:
    """A part of SandboxService."""

    _ports: Ports

    async def PauseSandbox(self, request: lpb.PauseSandboxRequest, context: Context) -> lpb.PauseSandboxResponse:
        """See the proto."""
        return lpb.PauseSandboxResponse(paused=await pause_sandbox(self._ports, user_id(), request.sandbox_id))

    async def ResumeSandbox(self, request: lpb.ResumeSandboxRequest, context: Context) -> lpb.ResumeSandboxResponse:
        """See the proto."""
        return lpb.ResumeSandboxResponse(resumed=await resume_sandbox(self._ports, user_id(), request.sandbox_id))

    async def HibernateSandbox(
        self, request: lpb.HibernateSandboxRequest, context: Context
    ) -> lpb.HibernateSandboxResponse:
        """See the proto."""
        saved = await hibernate_sandbox(self._ports, user_id(), request.sandbox_id)
        return lpb.HibernateSandboxResponse(checkpoint_id=saved)

    async def RestartSandbox(self, request: lpb.RestartSandboxRequest, context: Context) -> lpb.RestartSandboxResponse:
        """See the proto."""
        await restart_sandbox(self._ports, user_id(), request.sandbox_id, request.epoch)
        return lpb.RestartSandboxResponse()

    async def KeepAlive(self, request: lpb.KeepAliveRequest, context: Context) -> lpb.KeepAliveResponse:
        """See the proto."""
        deadline = await keep_alive(self._ports, user_id(), request.sandbox_id)
        return lpb.KeepAliveResponse(idle_deadline=None if deadline is None else lifecycle.time_to_proto(deadline))

    async def CreateCheckpoint(
        self, request: lpb.CreateCheckpointRequest, context: Context
    ) -> lpb.CreateCheckpointResponse:
        """See the proto."""
        made = await create_checkpoint(self._ports, user_id(), request.sandbox_id, request.request_id)
        return lpb.CreateCheckpointResponse(checkpoint=lifecycle.checkpoint_to_proto(made))

    async def ListCheckpoints(
        self, request: lpb.ListCheckpointsRequest, context: Context
    ) -> lpb.ListCheckpointsResponse:
        """See the proto."""
        before = str(decode_token(request.page_token).get("before", ""))
        limit = page_size(request.page_size, 20, 100)
        found, more = await list_checkpoints(self._ports, user_id(), request.sandbox_id, before, limit)
        token = encode_token({"before": found[-1].checkpoint_id}) if more else ""
        return lpb.ListCheckpointsResponse(
            checkpoints=[lifecycle.checkpoint_to_proto(each) for each in found], next_page_token=token
        )

    async def ReadCheckpoint(
        self, request: lpb.ReadCheckpointRequest, context: Context
    ) -> AsyncIterator[lpb.ReadCheckpointResponse]:
        """See the proto."""
        parts = read_checkpoint(self._ports, user_id(), request.sandbox_id, request.checkpoint_id, request.from_offset)
        async with contextlib.aclosing(parts):
            async for data, size in parts:
                yield lpb.ReadCheckpointResponse(data=data, size=size)

    async def RestoreCheckpoint(
        self, request: lpb.RestoreCheckpointRequest, context: Context
    ) -> lpb.RestoreCheckpointResponse:
        """See the proto."""
        restored = await restore_checkpoint(
            self._ports, user_id(), request.sandbox_id, request.checkpoint_id, request.restore_id, request.epoch
        )
        return lifecycle.restored_to_proto(restored)

    async def ListTransitions(
        self, request: lpb.ListTransitionsRequest, context: Context
    ) -> lpb.ListTransitionsResponse:
        """See the proto."""
        found, last = await list_transitions(self._ports, request.after, request.limit)
        return lpb.ListTransitionsResponse(transitions=map(lifecycle.transition_to_proto, found), last=last)
