"""RestartSandbox."""

from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def restart_sandbox(ports: Ports, user_id: str | None, sandbox_id: str, epoch: int) -> None:
    """Ends all that runs and begins anew on the files. Raises SandboxNotFound, SandboxUnavailable, Fenced."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, epoch)
    await ports.fleet.hibernate(sandbox, stamp=None, told=None)
    await ports.fleet.guest(sandbox)
