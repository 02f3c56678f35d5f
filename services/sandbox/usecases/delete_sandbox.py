"""DeleteSandbox."""

from services.sandbox.domain.errors import SandboxNotFound
from services.sandbox.ports import Ports
from services.sandbox.usecases.create_checkpoint import forget_checkpoints
from services.sandbox.usecases.find_sandbox import find_sandbox


async def delete_sandbox(ports: Ports, user_id: str | None, sandbox_id: str, keep_workspace: bool) -> None:
    """Ends it. One that is not there, or somebody else's, is left alone without a word: safe to repeat."""
    try:
        sandbox = await find_sandbox(ports, user_id, sandbox_id)
    except SandboxNotFound:
        return
    # Marked first: a command that loses its sandbox must not bring it up again.
    await ports.store.mark_removed(sandbox_id)
    await ports.fleet.take_down(sandbox, keep_workspace)
    if not keep_workspace:
        await ports.store.delete(sandbox_id)
        await forget_checkpoints(ports, sandbox_id)
    ports.fleet.changed(sandbox)
