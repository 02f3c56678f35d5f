"""GetStats."""

from services.sandbox.domain.errors import SandboxUnavailable
from services.sandbox.domain.models import Stats
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def get_stats(ports: Ports, user_id: str | None, sandbox_id: str) -> Stats:
    """What it uses now. Raises SandboxNotFound; SandboxUnavailable for one that does not run: it is not started."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await ports.fleet.find(sandbox)
    if ports.fleet.attached(sandbox_id) is None:
        raise SandboxUnavailable("The sandbox does not run.")
    return await (await ports.fleet.guest(sandbox)).stats()
