"""KeepAlive."""

from datetime import datetime

from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def keep_alive(ports: Ports, user_id: str | None, sandbox_id: str) -> datetime | None:
    """When it is put away if nobody uses it. Raises SandboxNotFound, SandboxUnavailable."""
    await find_usable(ports, user_id, sandbox_id)
    now = ports.clock.now()
    await ports.lives.touch({sandbox_id: now})
    return ports.ladder.deadline(now)
