"""RestoreCheckpoint."""

from dataclasses import replace

from services.sandbox.domain.lifecycle import RestoredWork, Told, What
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable
from services.sandbox.usecases.read_checkpoint import parts_of

WORDS = 1000


async def restore_checkpoint(
    ports: Ports, user_id: str | None, sandbox_id: str, checkpoint_id: str, restore_id: str, epoch: int
) -> RestoredWork:
    """Applied once for its key, and told once in a workspace. Raises CheckpointNotFound, CheckpointFailed, Fenced."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, epoch)
    await ports.shelf.size(sandbox_id, checkpoint_id)
    guest = await ports.fleet.guest(sandbox)
    restored = await guest.restore_checkpoint(restore_id, epoch, parts_of(ports, sandbox_id, checkpoint_id))
    last = await ports.lives.last_told(sandbox_id, (What.READY, What.REBUILT, What.RESTORED))
    if last is not None and last.told.what is What.RESTORED and last.told.checkpoint_id == checkpoint_id:
        return replace(restored, transition_id=last.transition_id)
    told = Told(
        What.RESTORED,
        reason="; ".join(restored.failed)[:WORDS],
        checkpoint_id=checkpoint_id,
        commits=restored.commits,
        files=restored.files,
    )
    transition_id = await ports.lives.tell(sandbox_id, ports.clock.now(), told)
    return replace(restored, transition_id=transition_id or "")
