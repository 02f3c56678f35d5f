"""ResumeSandbox."""

from services.sandbox.domain.models import State
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def resume_sandbox(ports: Ports, user_id: str | None, sandbox_id: str) -> bool:
    """Whether it was asleep. Raises SandboxNotFound, SandboxUnavailable."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await ports.fleet.find(sandbox)
    slept = ports.fleet.state(sandbox) is not State.READY
    await ports.fleet.guest(sandbox)
    return slept
