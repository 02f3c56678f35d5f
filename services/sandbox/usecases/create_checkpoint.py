"""CreateCheckpoint: the work that no remote has is packed inside and kept outside."""

import contextlib

from services.rpc.errors import LucidError
from services.rpc.ids import new_id
from services.sandbox.domain.errors import CheckpointFailed, SandboxNotFound
from services.sandbox.domain.lifecycle import Checkpoint, PackedWork, Told, What
from services.sandbox.domain.models import Sandbox
from services.sandbox.ports import Guest, Ports
from services.sandbox.usecases.find_sandbox import find_usable

LIMIT = 64 * 1024 * 1024
KEPT = 5


async def create_checkpoint(ports: Ports, user_id: str | None, sandbox_id: str, request_id: str) -> Checkpoint:
    """A new one, or that of the same request. Raises SandboxNotFound, CheckpointFailed, DiskFull."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    if request_id and (known := await ports.lives.checkpoints(sandbox_id, 1, request_id=request_id)):
        return known[0]
    saved = await save(ports, sandbox, await ports.fleet.guest(sandbox), "asked", request_id)
    if saved is None:
        raise CheckpointFailed("There is nothing in the workspace.")
    return saved


async def save(ports: Ports, sandbox: Sandbox, guest: Guest, reason: str, request_id: str = "") -> Checkpoint | None:
    """Keeps a checkpoint and tells of it; None where the workspace is empty."""
    sandbox_id, checkpoint_id = sandbox.sandbox_id, new_id("chk")
    packed = await guest.checkpoint(checkpoint_id, LIMIT)
    try:
        if not packed.repositories and not packed.left_out:
            return None
        await ports.shelf.put(sandbox_id, checkpoint_id, guest.read_checkpoint(checkpoint_id, packed.size))
    finally:
        with contextlib.suppress(LucidError):
            await guest.drop_checkpoint(checkpoint_id)
    checkpoint = _checkpoint(ports, sandbox, checkpoint_id, reason, packed)
    await ports.lives.keep(checkpoint, request_id)
    told = Told(
        What.SAVED,
        reason="; ".join(packed.left_out),
        checkpoint_id=checkpoint_id,
        bytes=packed.size,
        commits=packed.commits,
        files=packed.files,
    )
    if await ports.lives.tell(sandbox_id, ports.clock.now(), told) is None:  # deleted meanwhile
        await forget_checkpoints(ports, sandbox_id)
        raise SandboxNotFound
    await _let_old_go(ports, sandbox_id)
    return checkpoint


async def forget_checkpoints(ports: Ports, sandbox_id: str) -> None:
    """All of a sandbox that is gone."""
    await ports.lives.drop([each.checkpoint_id for each in await ports.lives.checkpoints(sandbox_id, 1000)])
    await ports.shelf.clear(sandbox_id)


def _checkpoint(ports: Ports, sandbox: Sandbox, checkpoint_id: str, reason: str, packed: PackedWork) -> Checkpoint:
    return Checkpoint(
        checkpoint_id=checkpoint_id,
        sandbox_id=sandbox.sandbox_id,
        reason=reason,
        create_time=ports.clock.now(),
        bytes=packed.size,
        commits=packed.commits,
        files=packed.files,
        workspace_id=packed.workspace_id,
        left_out=packed.left_out,
        repositories=packed.repositories,
    )


async def _let_old_go(ports: Ports, sandbox_id: str) -> None:
    old = (await ports.lives.checkpoints(sandbox_id, 1000))[KEPT:]
    for checkpoint in old:
        await ports.shelf.remove(sandbox_id, checkpoint.checkpoint_id)
    if old:
        await ports.lives.drop([checkpoint.checkpoint_id for checkpoint in old])
