"""WatchFiles."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.sandbox.domain.files import WatchFrame
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def watch_files(ports: Ports, user_id: str | None, sandbox_id: str) -> AsyncGenerator[WatchFrame, None]:
    """What changes, until the caller leaves. Raises WatchLimit, SandboxUnavailable."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    guest = await ports.fleet.guest(sandbox)
    async with aclosing(guest.files.watch()) as frames:
        async for frame in frames:
            yield frame
