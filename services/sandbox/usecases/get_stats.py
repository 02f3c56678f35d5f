"""GetStats."""

from services.sandbox.domain.errors import SandboxUnavailable
from services.sandbox.domain.models import State, Stats
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def get_stats(ports: Ports, user_id: str | None, sandbox_id: str) -> Stats:
    """What it uses now. Raises SandboxNotFound; SandboxUnavailable for one that does not run, or sleeps: it is not
    woken, and that somebody looks is no use of it."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await ports.fleet.find(sandbox)
    if ports.fleet.state(sandbox) is not State.READY:
        raise SandboxUnavailable("The sandbox does not run.")
    return await (await ports.fleet.quiet_guest(sandbox)).stats()
