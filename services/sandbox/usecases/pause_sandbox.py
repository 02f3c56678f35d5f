"""PauseSandbox."""

from services.sandbox.domain.models import Confinement
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable

PATIENCE_SECONDS = 2.0


async def pause_sandbox(ports: Ports, user_id: str | None, sandbox_id: str) -> bool:
    """Whether it is paused now. Raises SandboxNotFound, SandboxUnavailable, SandboxInUse."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    if sandbox.confinement is not Confinement.DOCKER or not ports.fleet.may_run(sandbox.body):
        return False
    return await ports.fleet.pause(sandbox, PATIENCE_SECONDS)
