"""GetSandbox."""

from services.sandbox.domain.models import SandboxView
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_sandbox, view_of


async def get_sandbox(ports: Ports, user_id: str | None, sandbox_id: str) -> SandboxView:
    """As it is now. Raises SandboxNotFound."""
    sandbox = await find_sandbox(ports, user_id, sandbox_id)
    if not sandbox.removed:
        await ports.fleet.find(sandbox)
    return view_of(ports, sandbox)
